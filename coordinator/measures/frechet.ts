import { symmetricEigen } from './eigen.ts'
import { checkMatrix, checkSameWidth, type Matrix } from './matrix.ts'
import { eventLoopTurns } from './turns.ts'

/** Mean [d] and covariance [d, d] (divided by N − 1) of features, float64. */
interface Moments {
  mean: Float64Array
  covariance: Float64Array
}

/**
 * Fréchet distance of two sets of features, each taken as a Gaussian (Dowson & Landau 1982; Heusel et al. 2017, equation 6):
 * ‖μ₁ − μ₂‖² + tr(S₁ + S₂ − 2·(S₁·S₂)^½), covariances with N − 1, in squared units of the features. Only in the features of the
 * Inception network may it be called FID. It falls with the number of samples: compare only at equal numbers.
 *
 * Null where a set has fewer than two samples; NaN where a feature is not finite.
 */
export async function frechetDistance(one: Matrix, other: Matrix): Promise<number | null> {
  for (const features of [one, other]) checkMatrix(features)
  checkSameWidth(one, other)
  if (one.rows < 2 || other.rows < 2) return null
  const [a, b] = [await momentsOf(one), await momentsOf(other)]
  const n = one.width
  let distance = 0
  for (let i = 0; i < n; i++) distance += (a.mean[i] - b.mean[i]) ** 2 + a.covariance[i * n + i] + b.covariance[i * n + i]
  // A feature that is not finite spoils its variance, which is in the sum.
  if (!Number.isFinite(distance)) return Number.NaN
  return Math.max(0, distance - 2 * (await traceOfRoot(a.covariance, b.covariance, n)))
}

async function momentsOf({ rows, width, values }: Matrix): Promise<Moments> {
  const turn = eventLoopTurns()
  const mean = new Float64Array(width)
  for (let row = 0; row < rows; row++) for (let i = 0, at = row * width; i < width; i++, at++) mean[i] += values[at]
  for (let i = 0; i < width; i++) mean[i] /= rows
  const covariance = new Float64Array(width * width)
  const centred = new Float64Array(width)
  for (let row = 0; row < rows; row++) {
    await turn()
    for (let i = 0, at = row * width; i < width; i++, at++) centred[i] = values[at] - mean[i]
    for (let i = 0; i < width; i++) for (let j = 0, at = i * width; j <= i; j++, at++) covariance[at] += centred[i] * centred[j]
  }
  for (let i = 0; i < width; i++)
    for (let j = 0; j <= i; j++) {
      covariance[i * width + j] /= rows - 1
      covariance[j * width + i] = covariance[i * width + j]
    }
  return { mean, covariance }
}

/**
 * tr((S₁·S₂)^½) of positive semi-definite matrices [n, n]. With S₁ = Vᵀ·Λ·V (rows of V are eigenvectors), the product has the eigenvalues
 * of the symmetric Λ^½·V·S₂·Vᵀ·Λ^½.
 */
async function traceOfRoot(first: Float64Array, second: Float64Array, n: number): Promise<number> {
  const { values, vectors } = await symmetricEigen(first, n)
  const turn = eventLoopTurns()
  const roots = rootsOf(values)
  const scaled = vectors.map((value, at) => value * roots[Math.floor(at / n)])
  const half = new Float64Array(n * n)
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < n; k++) {
      const factor = scaled[i * n + k]
      for (let j = 0, to = i * n, from = k * n; j < n; j++, to++, from++) half[to] += factor * second[from]
    }
    await turn()
  }
  const product = new Float64Array(n * n)
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = 0
      for (let k = 0, left = i * n, right = j * n; k < n; k++, left++, right++) sum += half[left] * scaled[right]
      product[i * n + j] = sum
    }
    await turn()
  }
  return rootsOf((await symmetricEigen(product, n)).values).reduce((sum, root) => sum + root, 0)
}

/** Square roots of ascending eigenvalues; what is rounding noise of the largest is zero, because the root would magnify it. */
function rootsOf(values: Float64Array): Float64Array {
  const noise = values.length * Number.EPSILON * values[values.length - 1]
  return values.map((value) => (value > noise ? Math.sqrt(value) : 0))
}
