import { setImmediate as breathe } from 'node:timers/promises'
import { frechetDistance } from './frechet.ts'
import type { Matrix } from './matrix.ts'
import { mean, studentInterval } from './means.ts'

const blocks = 10
/** Multiplications of one distance, about: twenty of them then take a second. */
const maxCost = 1e8

/**
 * 95 % interval of a Fréchet distance by the delete-block jackknife (Wu 1986; Shao & Tu 1995, §2.3, for two samples): each of ten blocks of
 * either set is left out in turn, the variances of the two sets add up, and Student's t has the degrees of freedom of one. A bootstrap
 * is no use here: rows that are drawn twice narrow the covariances, and every resample is farther than the truth. The interval is of
 * the distance at these numbers of samples, with the bias that it has at them.
 *
 * Block k is every tenth row from k on, so that each has its share of every class. Null where a set has fewer than two rows a block, where features
 * are so wide that it would take long, or are not finite.
 */
export async function frechetInterval(one: Matrix, other: Matrix, distance: number | null): Promise<[number, number] | null> {
  const cost = (one.rows + other.rows) * one.width ** 2 + blocks * one.width ** 3
  if (distance === null || !Number.isFinite(distance) || cost > maxCost || Math.min(one.rows, other.rows) < 2 * blocks) return null
  const ofOne = await varianceOver(one, (left) => frechetDistance(left, other))
  const ofOther = await varianceOver(other, (left) => frechetDistance(one, left))
  const interval = studentInterval(distance, Math.sqrt(ofOne + ofOther), blocks - 1)
  return interval && [Math.max(0, interval[0]), interval[1]]
}

/** (g − 1)/g · Σ (θ₍ₖ₎ − mean)² of a statistic that is computed with each of g blocks left out. */
async function varianceOver(set: Matrix, statistic: (left: Matrix) => Promise<number | null>): Promise<number> {
  const values: number[] = []
  for (let block = 0; block < blocks; block++) {
    values.push((await statistic(without(set, block))) ?? Number.NaN)
    // One of them may be too short to give way by itself.
    await breathe()
  }
  const centre = mean(values)
  return ((blocks - 1) / blocks) * values.reduce((sum, value) => sum + (value - centre) ** 2, 0)
}

function without({ rows, width, values }: Matrix, block: number): Matrix {
  const kept = Array.from({ length: rows }, (_, row) => row).filter((row) => row % blocks !== block)
  const left = new Float64Array(kept.length * width)
  for (const [i, row] of kept.entries()) for (let k = 0; k < width; k++) left[i * width + k] = values[row * width + k]
  return { rows: kept.length, width, values: left }
}
