import { Words } from '../../protocol/random.ts'
import { eventLoopTurns } from './turns.ts'

export interface BootstrapOptions {
  seed: number
  /** Default 1000. */
  resamples?: number
  /** Default 0.95. */
  confidence?: number
}

/**
 * Percentile bootstrap (Efron 1979): the middle `confidence` of a statistic over resamples of `rows` rows, drawn with replacement. Resample
 * number b is keyed by (seed, b): the same interval everywhere. `statistic` gets row numbers, with repetitions, in an array that is
 * reused. Quantiles are interpolated linearly between order statistics.
 *
 * Null where there is no row, or where the statistic of a resample is not finite.
 */
export async function bootstrapInterval(
  rows: number,
  statistic: (sampled: Uint32Array) => number | Promise<number>,
  { seed, resamples = 1000, confidence = 0.95 }: BootstrapOptions,
): Promise<[low: number, high: number] | null> {
  if (rows === 0) return null
  const turn = eventLoopTurns()
  const sampled = new Uint32Array(rows)
  const values = new Float64Array(resamples)
  for (let b = 0; b < resamples; b++) {
    await turn()
    const words = new Words({ seed, purpose: 'bootstrap', step: b, sample: 0 })
    for (let i = 0; i < rows; i++) sampled[i] = words.below(rows)
    values[b] = await statistic(sampled)
    if (!Number.isFinite(values[b])) return null
  }
  values.sort()
  const tail = (1 - confidence) / 2
  return [quantile(values, tail), quantile(values, 1 - tail)]
}

/** Of ascending values, interpolated between positions 0 and length − 1 (type 7 of Hyndman & Fan 1996). */
function quantile(sorted: Float64Array, share: number): number {
  const position = share * (sorted.length - 1)
  const before = Math.floor(position)
  const after = Math.min(before + 1, sorted.length - 1)
  return sorted[before] + (position - before) * (sorted[after] - sorted[before])
}
