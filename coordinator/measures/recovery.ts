import { LetheError } from '../../protocol/errors.ts'

/** The share of samples that show what was forgotten, after so many steps of an attack. */
export interface RecoveryPoint {
  step: number
  share: number
}

export interface Recovery {
  /** Area under the curve by the trapezoid rule, divided by the range of steps: a mean share. Null for a single point. */
  area: number | null
  /** First step at which half of the original's share is back, by linear interpolation; null where it never is. */
  halfStep: number | null
  /** The last step, where `halfStep` is null: half of it may come back later. */
  censoredAt: number | null
}

/** Of the original model, where nobody says what it shows. */
export const assumedOriginalShare = 1

/**
 * What an attack by relearning brought back. The curve may go down again: the first crossing counts. A curve that begins at half or more
 * has crossed at its first step. An original that showed nothing has no half to bring back, and is censored.
 *
 * @throws LetheError INTERNAL where there is no point, steps do not rise, or a number is not finite.
 */
export function recoveryOf(points: readonly RecoveryPoint[], originalShare: number): Recovery {
  check(points, originalShare)
  const last = points[points.length - 1]
  const halfStep = originalShare > 0 ? firstCrossing(points, originalShare / 2) : null
  return { area: meanShare(points), halfStep, censoredAt: halfStep === null ? last.step : null }
}

function check(points: readonly RecoveryPoint[], originalShare: number): void {
  const isSound =
    points.length > 0 &&
    Number.isFinite(originalShare) &&
    points.every(({ step, share }, i) => Number.isFinite(step) && Number.isFinite(share) && (i === 0 || step > points[i - 1].step))
  if (!isSound)
    throw new LetheError('INTERNAL', {
      message: 'a recovery curve is not sound',
      expected: 'one point or more, finite, with steps that rise',
      received: points.map(({ step, share }) => `${step}: ${share}`).join(', '),
    })
}

function firstCrossing(points: readonly RecoveryPoint[], target: number): number | null {
  const i = points.findIndex(({ share }) => share >= target)
  if (i <= 0) return i === 0 ? points[0].step : null
  const [before, after] = [points[i - 1], points[i]]
  return before.step + ((target - before.share) / (after.share - before.share)) * (after.step - before.step)
}

function meanShare(points: readonly RecoveryPoint[]): number | null {
  if (points.length === 1) return null
  let area = 0
  for (let i = 1; i < points.length; i++) area += ((points[i].share + points[i - 1].share) / 2) * (points[i].step - points[i - 1].step)
  return area / (points[points.length - 1].step - points[0].step)
}
