import { median } from '../../protocol/median.ts'

/*
 * How long is too long, judged by the job's own history: the time of each part over the time that the planner expected of it. A part is
 * late beyond median + k·MAD of those ratios (MAD: median of absolute deviations).
 */

export interface Pace {
  /** The newest last. */
  ratios: number[]
}

const kept = 128
/** Below so many, nobody is called late. */
const leastRatios = 8
const tolerance = 6
/** Schedulers jitter: never less than this share of the expected time, and never less than this time. */
const leastDeviation = 0.1
const leastMs = 500

export function measure(pace: Pace, ratio: number): void {
  if (!Number.isFinite(ratio) || ratio <= 0) return
  pace.ratios.push(ratio)
  if (pace.ratios.length > kept) pace.ratios.shift()
}

/** When a part that should take `expectedMs` is late: milliseconds since it was given out. Null while too little is known. */
export function lateAfterMs({ ratios }: Pace, expectedMs: number): number | null {
  if (ratios.length < leastRatios) return null
  const center = median(ratios)
  const deviation = median(ratios.map((ratio) => Math.abs(ratio - center)))
  return expectedMs * (center + tolerance * Math.max(deviation, leastDeviation * center)) + leastMs
}
