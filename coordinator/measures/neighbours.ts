import { LetheError } from '../../protocol/errors.ts'
import { checkMatrix, checkSameWidth, type Matrix } from './matrix.ts'
import { eventLoopTurns } from './turns.ts'

export interface PrecisionRecall {
  /** Share of generated samples that are within the real ones. */
  precision: number
  /** Share of real samples that are within the generated ones. */
  recall: number
}

/** Neighbours that Kynkäänniemi et al. recommend. */
export const defaultNeighbours = 3

/**
 * Improved precision and recall (Kynkäänniemi et al. 2019, equations 1 and 2): a sample is within a set where it is no farther from one
 * of its members than that member's k-th nearest other member. Time grows with the square of the numbers of samples.
 *
 * Null where a set has k members or fewer; a feature that is not finite is within nothing.
 */
export async function precisionAndRecall(
  real: Matrix,
  generated: Matrix,
  { neighbours }: { neighbours: number } = { neighbours: defaultNeighbours },
): Promise<PrecisionRecall | null> {
  for (const features of [real, generated]) checkMatrix(features)
  checkSameWidth(real, generated)
  if (!Number.isInteger(neighbours) || neighbours < 1)
    throw new LetheError('INTERNAL', { message: 'a number of neighbours is a whole number from 1 on', received: `${neighbours}` })
  if (Math.min(real.rows, generated.rows) <= neighbours) return null
  const turn = eventLoopTurns()
  const share = async (samples: Matrix, set: Matrix) => shareWithin(samples, set, await squaredRadii(set, neighbours, turn), turn)
  return { precision: await share(generated, real), recall: await share(real, generated) }
}

type Turn = () => Promise<void> | undefined

/** Squared distance of each member to its k-th nearest other member. */
async function squaredRadii(set: Matrix, k: number, turn: Turn): Promise<Float64Array> {
  const radii = new Float64Array(set.rows)
  /** The k smallest so far, ascending. */
  const nearest = new Float64Array(k)
  for (let i = 0; i < set.rows; i++) {
    await turn()
    nearest.fill(Number.POSITIVE_INFINITY)
    for (let j = 0; j < set.rows; j++) {
      if (j === i) continue
      const distance = squaredDistance(set, i, set, j)
      if (!(distance < nearest[k - 1])) continue
      let place = k - 1
      for (; place > 0 && nearest[place - 1] > distance; place--) nearest[place] = nearest[place - 1]
      nearest[place] = distance
    }
    radii[i] = nearest[k - 1]
  }
  return radii
}

async function shareWithin(samples: Matrix, set: Matrix, radii: Float64Array, turn: Turn): Promise<number> {
  let within = 0
  for (let i = 0; i < samples.rows; i++) {
    await turn()
    for (let j = 0; j < set.rows; j++)
      if (squaredDistance(samples, i, set, j) <= radii[j]) {
        within += 1
        break
      }
  }
  return within / samples.rows
}

function squaredDistance(one: Matrix, i: number, other: Matrix, j: number): number {
  const { width } = one
  let sum = 0
  for (let k = 0, left = i * width, right = j * width; k < width; k++, left++, right++) {
    const difference = one.values[left] - other.values[right]
    sum += difference * difference
  }
  return sum
}
