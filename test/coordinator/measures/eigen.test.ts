import t from 'tap'
import { symmetricEigen } from '../../../coordinator/measures/eigen.ts'
import { normals } from '../../../protocol/random.ts'

/** max |A·v − λ·v| and max |V·Vᵀ − I| */
function errors(matrix: Float64Array, n: number, values: Float64Array, vectors: Float64Array): { residual: number; orthogonality: number } {
  let [residual, orthogonality] = [0, 0]
  for (let r = 0; r < n; r++)
    for (let i = 0; i < n; i++) {
      let [image, inner] = [0, 0]
      for (let j = 0; j < n; j++) {
        image += matrix[i * n + j] * vectors[r * n + j]
        inner += vectors[r * n + j] * vectors[i * n + j]
      }
      residual = Math.max(residual, Math.abs(image - values[r] * vectors[r * n + i]))
      orthogonality = Math.max(orthogonality, Math.abs(inner - (i === r ? 1 : 0)))
    }
  return { residual, orthogonality }
}

/** Bᵀ·B of normals B [rank, n], divided by the rank. */
function gram(n: number, rank: number, scale = 1): Float64Array {
  const b = normals({ seed: 5, purpose: 'noise', step: n, sample: rank }, new Float32Array(rank * n))
  const matrix = new Float64Array(n * n)
  for (let k = 0; k < rank; k++)
    for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) matrix[i * n + j] += (scale * b[k * n + i] * b[k * n + j]) / rank
  return matrix
}

t.test('the second difference has the eigenvalues 2 − 2 cos(kπ/(n+1))', async (t) => {
  for (const n of [1, 2, 3, 50]) {
    const matrix = Float64Array.from({ length: n * n }, (_, at) => {
      const apart = Math.abs(Math.floor(at / n) - (at % n))
      return apart === 0 ? 2 : apart === 1 ? -1 : 0
    })
    const { values, vectors } = await symmetricEigen(matrix, n)
    const known = Float64Array.from({ length: n }, (_, k) => 2 - 2 * Math.cos(((k + 1) * Math.PI) / (n + 1)))
    t.ok(
      values.every((value, k) => Math.abs(value - known[k]) < 1e-13),
      `n = ${n}`,
    )
    const { residual, orthogonality } = errors(matrix, n, values, vectors)
    t.ok(residual < 1e-13 && orthogonality < 1e-13)
  }
})

t.test('A·v = λ·v with orthonormal v, for full, singular, repeated and empty spectra and any scale', async (t) => {
  const identity = Float64Array.from({ length: 25 }, (_, at) => (at % 6 === 0 ? 3 : 0))
  const cases: [string, Float64Array, number][] = [
    ['full', gram(40, 80), 40],
    ['rank 5 of 40', gram(40, 5), 40],
    ['rank 1', gram(30, 1), 30],
    ['rank 60 of 150', gram(150, 60), 150],
    ['identity', identity, 5],
    ['zero', new Float64Array(16), 4],
    ['huge', gram(12, 20, 1e200), 12],
    ['tiny', gram(12, 20, 1e-200), 12],
  ]
  for (const [name, matrix, n] of cases) {
    const { values, vectors } = await symmetricEigen(matrix, n)
    const { residual, orthogonality } = errors(matrix, n, values, vectors)
    const norm = Math.max(...matrix.map(Math.abs))
    t.ok(residual <= 1e-13 * n * norm && orthogonality < 1e-12, `${name}: ${residual / norm} ${orthogonality}`)
    t.ok(
      values.every((value, k) => k === 0 || value >= values[k - 1]),
      'ascending',
    )
    const trace = values.reduce((sum, value) => sum + value, 0)
    const diagonal = Array.from({ length: n }, (_, i) => matrix[i * n + i]).reduce((sum, value) => sum + value, 0)
    t.ok(Math.abs(trace - diagonal) <= 1e-12 * n * norm, 'the trace is kept')
  }
})

t.test('rank 5 has five eigenvalues that are not rounding', async (t) => {
  const { values } = await symmetricEigen(gram(40, 5), 40)
  t.equal(values.filter((value) => Math.abs(value) > 1e-12).length, 5)
})

t.test('a matrix that is not finite is refused', async (t) => {
  await t.rejects(symmetricEigen(Float64Array.of(1, Number.NaN, Number.NaN, 1), 2), { code: 'INTERNAL' })
})
