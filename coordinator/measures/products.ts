import type { Matrix } from './matrix.ts'
import { eventLoopTurns } from './turns.ts'

/** A matrix in float64, row after row. */
export interface Rows extends Matrix {
  values: Float64Array
}

const turnRows = 256

/** Inner products of the rows of one matrix with those of another: A·Bᵀ. Of a symmetric product only the lower triangle is made. */
export async function productsOf(a: Rows, b: Rows, { isSymmetric = false } = {}): Promise<Rows> {
  const turn = eventLoopTurns()
  const values = new Float64Array(a.rows * b.rows)
  for (let i = 0; i < a.rows; i++) {
    const end = isSymmetric ? i + 1 : b.rows
    for (let j = 0; j < end; j++) {
      if (j % turnRows === 0) await turn()
      values[i * b.rows + j] = inner(a, i, b, j)
    }
  }
  return { rows: a.rows, width: b.rows, values }
}

/** Four sums at a time: one alone waits for itself. */
function inner(a: Rows, i: number, b: Rows, j: number): number {
  const [one, other, width] = [a.values, b.values, a.width]
  let s0 = 0
  let s1 = 0
  let s2 = 0
  let s3 = 0
  let left = i * width
  let right = j * width
  const end = left + width
  for (; left + 3 < end; left += 4, right += 4) {
    s0 += one[left] * other[right]
    s1 += one[left + 1] * other[right + 1]
    s2 += one[left + 2] * other[right + 2]
    s3 += one[left + 3] * other[right + 3]
  }
  for (; left < end; left++, right++) s0 += one[left] * other[right]
  return s0 + s1 + (s2 + s3)
}
