import type { Rows } from './products.ts'
import { eventLoopTurns } from './turns.ts'

/**
 * F [r, n] with S = FᵀF for a positive semi-definite S [n, n] of rank r: Cholesky with the largest diagonal element as the next pivot, which
 * ends where what is left is rounding (Higham 2002, Accuracy and Stability of Numerical Algorithms, §10.3).
 */
export async function semidefiniteFactor(matrix: Float64Array, n: number): Promise<Rows> {
  const turn = eventLoopTurns()
  const left = Float64Array.from({ length: n }, (_, i) => matrix[i * n + i])
  const values = new Float64Array(n * n)
  const noise = n * Number.EPSILON * left.reduce((most, value) => Math.max(most, value), 0)
  let rows = 0
  for (; rows < n; rows++) {
    const pivot = left.reduce((best, value, i) => (value > left[best] ? i : best), 0)
    if (!(left[pivot] > noise)) break
    const row = values.subarray(rows * n, (rows + 1) * n)
    row.set(matrix.subarray(pivot * n, (pivot + 1) * n))
    for (let k = 0; k < rows; k++) {
      if (k % turnRows === 0) await turn()
      const factor = values[k * n + pivot]
      for (let i = 0, at = k * n; i < n; i++, at++) row[i] -= factor * values[at]
    }
    const root = Math.sqrt(left[pivot])
    for (let i = 0; i < n; i++) {
      row[i] /= root
      left[i] -= row[i] * row[i]
    }
    // It is done with: its rounding must not be chosen again.
    left[pivot] = 0
  }
  return { rows, width: n, values: values.subarray(0, rows * n) }
}

const turnRows = 256
