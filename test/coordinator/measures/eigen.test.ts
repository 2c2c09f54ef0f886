import t from 'tap'
import { symmetricEigenvalues } from '../../../coordinator/measures/eigen.ts'
import { normals } from '../../../protocol/random.ts'

/** Bᵀ·B of normals B [rank, n], divided by the rank. */
function gram(n: number, rank: number, scale = 1): Float64Array {
  const b = normals({ seed: 5, purpose: 'noise', step: n, sample: rank }, new Float32Array(rank * n))
  const matrix = new Float64Array(n * n)
  for (let k = 0; k < rank; k++)
    for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) matrix[i * n + j] += (scale * b[k * n + i] * b[k * n + j]) / rank
  return matrix
}

/** A ← H·A·H with a reflection that is drawn by its number. */
function reflect(a: Float64Array, n: number, sample: number): void {
  const v = Float64Array.from(normals({ seed: 6, purpose: 'noise', step: n, sample }, new Float32Array(n)))
  const square = v.reduce((sum, value) => sum + value * value, 0)
  for (const [from, to] of [
    [1, n],
    [n, 1],
  ])
    for (let line = 0; line < n; line++) {
      let inner = 0
      for (let k = 0; k < n; k++) inner += a[line * from + k * to] * v[k]
      for (let k = 0; k < n; k++) a[line * from + k * to] -= (2 * inner * v[k]) / square
    }
}

t.test('the second difference has the eigenvalues 2 − 2 cos(kπ/(n+1))', async (t) => {
  for (const n of [1, 2, 3, 50]) {
    const matrix = Float64Array.from({ length: n * n }, (_, at) => {
      const apart = Math.abs(Math.floor(at / n) - (at % n))
      return apart === 0 ? 2 : apart === 1 ? -1 : 0
    })
    const values = await symmetricEigenvalues(matrix, n)
    const known = Float64Array.from({ length: n }, (_, k) => 2 - 2 * Math.cos(((k + 1) * Math.PI) / (n + 1)))
    t.ok(
      values.every((value, k) => Math.abs(value - known[k]) < 1e-13),
      `n = ${n}`,
    )
  }
})

t.test('a spectrum that is known, turned by reflections', async (t) => {
  const n = 60
  const spectra: Record<string, (k: number) => number> = {
    'apart, of both signs': (k) => k - 20,
    repeated: (k) => (k < 30 ? 1 : 7),
    'over sixteen orders': (k) => 10 ** ((16 * k) / n),
    'half of it nothing': (k) => Math.max(0, k - 30),
  }
  for (const [name, of] of Object.entries(spectra)) {
    const known = Array.from({ length: n }, (_, k) => of(k))
    const matrix = new Float64Array(n * n)
    for (const [k, value] of known.entries()) matrix[k * n + k] = value
    for (let sample = 0; sample < 3; sample++) reflect(matrix, n, sample)
    const values = await symmetricEigenvalues(matrix, n)
    const largest = Math.max(...known.map(Math.abs))
    t.ok(
      values.every((value, k) => Math.abs(value - known[k]) < 1e-13 * n * largest),
      name,
    )
  }
})

t.test('trace and norm are kept, for full, singular, repeated and empty spectra and any scale', async (t) => {
  const identity = Float64Array.from({ length: 25 }, (_, at) => (at % 6 === 0 ? 3 : 0))
  const cases: [string, Float64Array, number][] = [
    ['full', gram(40, 80), 40],
    ['rank 5 of 40', gram(40, 5), 40],
    ['rank 1', gram(30, 1), 30],
    ['rank 60 of 150', gram(150, 60), 150],
    ['identity', identity, 5],
    ['zero', new Float64Array(16), 4],
    ['huge', gram(12, 20, 1e100), 12],
    ['tiny', gram(12, 20, 1e-100), 12],
  ]
  for (const [name, matrix, n] of cases) {
    const values = await symmetricEigenvalues(matrix, n)
    const norm = Math.max(...matrix.map(Math.abs))
    t.ok(
      values.every((value, k) => k === 0 || value >= values[k - 1]),
      `${name}: ascending`,
    )
    const trace = values.reduce((sum, value) => sum + value, 0)
    const diagonal = Array.from({ length: n }, (_, i) => matrix[i * n + i]).reduce((sum, value) => sum + value, 0)
    t.ok(Math.abs(trace - diagonal) <= 1e-12 * n * norm, 'the trace is kept')
    const [squares, expected] = [values, matrix].map((numbers) => numbers.reduce((sum, value) => sum + value * value, 0))
    t.ok(Math.abs(squares - expected) <= 1e-12 * expected, 'and so is the norm')
  }
})

t.test('rank 5 has five eigenvalues that are not rounding', async (t) => {
  const values = await symmetricEigenvalues(gram(40, 5), 40)
  t.equal(values.filter((value) => Math.abs(value) > 1e-12).length, 5)
})

t.test('a matrix that is not finite is refused', async (t) => {
  await t.rejects(symmetricEigenvalues(Float64Array.of(1, Number.NaN, Number.NaN, 1), 2), { code: 'INTERNAL' })
})
