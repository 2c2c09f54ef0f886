import type { Matrix } from './matrix.ts'
import type { Rows } from './products.ts'
import { eventLoopTurns } from './turns.ts'

export interface Centred extends Rows {
  mean: Float64Array
  /** Sum of the variances (divided by N − 1) of all features. */
  variance: number
}

/** Features less their mean, float64. */
export async function centred(features: Matrix): Promise<Centred> {
  const turn = eventLoopTurns()
  const { rows, width, values } = features
  const mean = await meanOf(features)
  const out = new Float64Array(rows * width)
  let squares = 0
  for (let row = 0; row < rows; row++) {
    await turn()
    for (let i = 0, at = row * width; i < width; i++, at++) {
      out[at] = values[at] - mean[i]
      squares += out[at] * out[at]
    }
  }
  return { rows, width, values: out, mean, variance: squares / (rows - 1) }
}

/** Mean [d] and covariance [d, d] (divided by N − 1), float64. */
export async function momentsOf(features: Matrix): Promise<{ mean: Float64Array; covariance: Float64Array }> {
  const turn = eventLoopTurns()
  const { rows, width, values } = features
  const mean = await meanOf(features)
  const covariance = new Float64Array(width * width)
  // Four rows at a time: a wide covariance does not fit into a cache, and each pass over it costs more than the sums.
  const four = Array.from({ length: 4 }, () => new Float64Array(width))
  for (let first = 0; first < rows; first += 4) {
    for (const [k, centred] of four.entries())
      for (let i = 0, at = (first + k) * width; i < width; i++, at++) centred[i] = first + k < rows ? values[at] - mean[i] : 0
    await addProducts(covariance, four, turn)
  }
  for (let i = 0; i < width; i++)
    for (let j = 0; j <= i; j++) {
      covariance[i * width + j] /= rows - 1
      covariance[j * width + i] = covariance[i * width + j]
    }
  return { mean, covariance }
}

/** The lower triangle of the sum of x·xᵀ. */
async function addProducts(sums: Float64Array, [a, b, c, d]: Float64Array[], turn: () => Promise<void> | undefined): Promise<void> {
  await turn()
  for (let i = 0, at = 0; i < a.length; at += a.length - i - 1, i++) {
    const ai = a[i]
    const bi = b[i]
    const ci = c[i]
    const di = d[i]
    for (let j = 0; j <= i; j++, at++) sums[at] += ai * a[j] + bi * b[j] + (ci * c[j] + di * d[j])
  }
}

async function meanOf({ rows, width, values }: Matrix): Promise<Float64Array> {
  const turn = eventLoopTurns()
  const mean = new Float64Array(width)
  for (let row = 0; row < rows; row++) {
    await turn()
    for (let i = 0, at = row * width; i < width; i++, at++) mean[i] += values[at]
  }
  return mean.map((sum) => sum / rows)
}
