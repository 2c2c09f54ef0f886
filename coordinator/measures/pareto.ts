export type Goal = 'maximise' | 'minimise'

/**
 * Indices, ascending, of the rows on the Pareto front: those than which no other row is as good on every axis and better on one. Equal
 * rows are on it together. A row without a finite value on every axis is left out, and beats nobody.
 */
export function paretoFront<Axis extends string>(
  rows: readonly Readonly<Record<NoInfer<Axis>, number | null>>[],
  goals: Readonly<Record<Axis, Goal>>,
): number[] {
  const axes = Object.entries(goals) as [Axis, Goal][]
  /** The higher the better on every axis; null where one is missing. */
  const scores = rows.map((row) => {
    const values = axes.map(([axis, goal]) => (goal === 'maximise' ? row[axis] : row[axis] === null ? null : -row[axis]))
    return values.every((value) => value !== null && Number.isFinite(value)) ? (values as number[]) : null
  })
  return rows
    .map((_, i) => i)
    .filter((i) => {
      const own = scores[i]
      return own !== null && !scores.some((other) => other !== null && dominates(other, own))
    })
}

function dominates(one: readonly number[], other: readonly number[]): boolean {
  return one.every((value, axis) => value >= other[axis]) && one.some((value, axis) => value > other[axis])
}
