const isGroup = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value)

/** Where two settings differ, `training.steps: 3 there, 4 now` each, in the order of `now`. */
export function differences(there: unknown, now: unknown, path: readonly string[] = []): string[] {
  if (isGroup(there) && isGroup(now)) {
    const keys = [...new Set([...Object.keys(now), ...Object.keys(there)])]
    return keys.flatMap((key) => differences(there[key], now[key], [...path, key]))
  }
  const text = (value: unknown) => (value === undefined ? 'nothing' : JSON.stringify(value))
  return text(there) === text(now) ? [] : [`${path.join('.')}: ${text(there)} there, ${text(now)} now`]
}
