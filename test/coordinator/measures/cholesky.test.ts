import t from 'tap'
import { semidefiniteFactor } from '../../../coordinator/measures/cholesky.ts'
import { normals } from '../../../protocol/random.ts'

/** Bᵀ·B of normals B [rank, n]. */
function gram(n: number, rank: number, scale = 1): Float64Array {
  const b = normals({ seed: 5, purpose: 'noise', step: n, sample: rank }, new Float32Array(rank * n))
  const matrix = new Float64Array(n * n)
  for (let k = 0; k < rank; k++)
    for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) matrix[i * n + j] += scale * b[k * n + i] * b[k * n + j]
  return matrix
}

t.test('FᵀF is the matrix, with as many rows as it has rank', async (t) => {
  const cases: [string, Float64Array, number, number][] = [
    ['full rank', gram(30, 50), 30, 30],
    ['rank 7 of 30', gram(30, 7), 30, 7],
    ['rank 1', gram(12, 1), 12, 1],
    ['nothing', new Float64Array(9), 3, 0],
    ['one number', Float64Array.of(4), 1, 1],
    ['large', gram(10, 20, 1e100), 10, 10],
    ['a feature that never changes', Float64Array.of(4, 0, 2, 0, 0, 0, 2, 0, 5), 3, 2],
  ]
  for (const [name, matrix, n, rank] of cases) {
    const { rows, width, values } = await semidefiniteFactor(matrix, n)
    t.same([rows, width, values.length], [rank, n, rank * n], name)
    const largest = Math.max(...matrix)
    let error = 0
    for (let i = 0; i < n; i++)
      for (let j = 0; j < n; j++) {
        let sum = 0
        for (let k = 0; k < rows; k++) sum += values[k * n + i] * values[k * n + j]
        error = Math.max(error, Math.abs(sum - matrix[i * n + j]))
      }
    t.ok(error <= 1e-13 * n * largest, `${error / largest}`)
  }
})
