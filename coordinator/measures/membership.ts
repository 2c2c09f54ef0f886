import { mean, standardErrorOf } from './means.ts'

/** ε-losses at one time t of samples of the kept data and of the forgotten ones; in the sum over pixels or the mean, but both alike. */
export interface LossesAtTime {
  t: number
  keep: ArrayLike<number>
  forget: ArrayLike<number>
}

export interface MembershipGap {
  t: number
  keepMean: number
  forgetMean: number
  /** forgetMean − keepMean: positive where the forgotten samples are the harder ones, as of data that were never trained on. */
  gap: number
  /** √(s²_keep / n_keep + s²_forget / n_forget), samples taken as independent (Welch 1947). Null where a side has fewer than two. */
  standardError: number | null
}

/**
 * The diagnostic of the SISS paper: how far the losses of kept and of forgotten data lie apart, for each t. Times without a sample on
 * both sides are left out.
 */
export function membershipGaps(times: readonly LossesAtTime[]): MembershipGap[] {
  return times
    .filter(({ keep, forget }) => keep.length > 0 && forget.length > 0)
    .map(({ t, keep, forget }) => {
      const [keepMean, forgetMean] = [mean(keep), mean(forget)]
      const isSpread = keep.length > 1 && forget.length > 1
      const standardError = isSpread ? Math.hypot(standardErrorOf(keep), standardErrorOf(forget)) : null
      return { t, keepMean, forgetMean, gap: forgetMean - keepMean, standardError }
    })
}
