import { studentQuantile } from './quantiles.ts'

export function mean(values: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += values[i]
  return sum / values.length
}

/** Of the mean of independent values; NaN for fewer than two. */
export function standardErrorOf(values: ArrayLike<number>): number {
  const centre = mean(values)
  let squares = 0
  for (let i = 0; i < values.length; i++) squares += (values[i] - centre) ** 2
  return Math.sqrt(squares / (values.length - 1) / values.length)
}

/** Student's interval of a mean, 95 %; null where it has no spread to go by, or is not finite. */
export function studentInterval(centre: number | null, standardError: number | null, degrees: number): [number, number] | null {
  if (centre === null || standardError === null || degrees < 1) return null
  const half = studentQuantile(degrees) * standardError
  return Number.isFinite(centre) && Number.isFinite(half) ? [centre - half, centre + half] : null
}

/** The same of values. */
export function intervalOfMean(values: ArrayLike<number>): [number, number] | null {
  return studentInterval(mean(values), standardErrorOf(values), values.length - 1)
}
