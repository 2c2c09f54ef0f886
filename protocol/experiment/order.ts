/**
 * Indices so that each comes after what it needs, else in the order given.
 * @returns `cycle` where there is no such order: indices, the first one again at the end.
 */
export function dependencyOrder(needs: readonly (readonly number[])[]): { order: number[] } | { cycle: number[] } {
  const order: number[] = []
  const isDone = new Set<number>()
  // A stack of our own: chains may be as long as an experiment.
  for (const root of needs.keys()) {
    const path = [root]
    while (path.length > 0) {
      const current = path[path.length - 1]
      const next = isDone.has(current) ? undefined : needs[current].find((need) => !isDone.has(need))
      if (next === undefined) {
        if (!isDone.has(current)) order.push(current)
        isDone.add(current)
        path.pop()
      } else if (path.includes(next)) {
        return { cycle: [...path.slice(path.indexOf(next)), next] }
      } else path.push(next)
    }
  }
  return { order }
}
