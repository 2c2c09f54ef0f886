import { semidefiniteFactor } from './cholesky.ts'
import { symmetricEigenvalues } from './eigen.ts'
import { checkMatrix, checkSameWidth, type Matrix } from './matrix.ts'
import { centred, momentsOf } from './moments.ts'
import { productsOf } from './products.ts'

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
  // Fewer samples than features span a smaller space, in which the same trace costs a fraction.
  return Math.min(one.rows, other.rows) < one.width ? bySamples(one, other) : byCovariances(one, other)
}

/** With S₁ = FᵀF the product S₁·S₂ has the eigenvalues of the symmetric F·S₂·Fᵀ. */
async function byCovariances(one: Matrix, other: Matrix): Promise<number> {
  const [a, b] = [await momentsOf(one), await momentsOf(other)]
  const n = one.width
  let distance = 0
  for (let i = 0; i < n; i++) distance += (a.mean[i] - b.mean[i]) ** 2 + a.covariance[i * n + i] + b.covariance[i * n + i]
  // A feature that is not finite spoils its variance, which is in the sum.
  if (!Number.isFinite(distance)) return Number.NaN
  const factor = await semidefiniteFactor(a.covariance, n)
  const half = await productsOf(factor, { rows: n, width: n, values: b.covariance })
  const { rows, values } = await productsOf(half, factor, { isSymmetric: true })
  return Math.max(0, distance - 2 * (await sumOfRoots(values, rows)))
}

/**
 * With centred samples A [n, d] and B [m, d] as rows, S₁ = AᵀA/(n−1) and S₂ = BᵀB/(m−1), the product S₁·S₂ has the eigenvalues of
 * M·Mᵀ/((n−1)·(m−1)), M = A·Bᵀ [n, m].
 */
async function bySamples(one: Matrix, other: Matrix): Promise<number> {
  const [a, b] = [await centred(one), await centred(other)].sort((first, second) => first.rows - second.rows)
  let distance = a.variance + b.variance
  for (let i = 0; i < a.width; i++) distance += (a.mean[i] - b.mean[i]) ** 2
  if (!Number.isFinite(distance)) return Number.NaN
  const products = await productsOf(a, b)
  const { rows, values } = await productsOf(products, products, { isSymmetric: true })
  return Math.max(0, distance - (2 * (await sumOfRoots(values, rows))) / Math.sqrt((a.rows - 1) * (b.rows - 1)))
}

/** Of the eigenvalues of a positive semi-definite matrix; what is rounding noise of the largest is zero, because the root would magnify it. */
async function sumOfRoots(matrix: Float64Array, n: number): Promise<number> {
  const values = await symmetricEigenvalues(matrix, n)
  const noise = n * Number.EPSILON * (values.at(-1) ?? 0)
  return values.reduce((sum, value) => (value > noise ? sum + Math.sqrt(value) : sum), 0)
}
