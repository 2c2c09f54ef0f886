import { LetheError } from '../../protocol/errors.ts'
import { eventLoopTurns } from './turns.ts'

/** QL needs fewer than two sweeps a value; this is never met by a finite matrix. */
const maxSweeps = 60

/**
 * Eigenvalues of a symmetric matrix [n, n] in ascending order, float64: Householder tridiagonalisation, then implicit QL with Wilkinson's
 * shift (Golub & Van Loan, Matrix Computations, §8.3). About n³ multiplications. Only the lower triangle is read.
 *
 * @throws LetheError INTERNAL where the matrix is not finite.
 */
export async function symmetricEigenvalues(matrix: Float64Array, n: number): Promise<Float64Array> {
  const largest = largestOf(matrix)
  const { diagonal, below } = await tridiagonalise(matrix, n, largest)
  await diagonalise(diagonal, below, n)
  return diagonal.sort().map((value) => largest * value)
}

function largestOf(matrix: Float64Array): number {
  if (!matrix.every(Number.isFinite)) throw new LetheError('INTERNAL', { message: 'a matrix that is not finite has no eigenvalues' })
  return matrix.reduce((most, value) => Math.max(most, Math.abs(value)), 0) || 1
}

interface Tridiagonal {
  diagonal: Float64Array
  /** Element i couples i and i + 1; the last one is free. */
  below: Float64Array
}

/** Of the matrix divided by its largest element, so that no square is too large or too small for a float. */
async function tridiagonalise(matrix: Float64Array, n: number, largest: number): Promise<Tridiagonal> {
  const turn = eventLoopTurns()
  const a = matrix.map((value) => value / largest)
  for (let i = 0; i < n; i++) for (let j = 0; j < i; j++) a[j * n + i] = a[i * n + j]
  const diagonal = new Float64Array(n)
  const below = new Float64Array(n)
  const product = new Float64Array(n)
  /** Unit vector of the reflection, from k + 1 on. */
  const v = new Float64Array(n)
  for (let k = 0; k < n - 1; k++) {
    await turn()
    diagonal[k] = a[k * n + k]
    const column = a.subarray(k * n, (k + 1) * n)
    let square = 0
    for (let i = k + 1; i < n; i++) square += column[i] * column[i]
    const norm = Math.sqrt(square)
    below[k] = column[k + 1] > 0 ? -norm : norm
    // Away from the first element, so that nothing cancels.
    let length = 0
    for (let i = k + 1; i < n; i++) {
      v[i] = i === k + 1 ? column[i] - below[k] : column[i]
      length += v[i] * v[i]
    }
    if (length === 0) continue
    const scale = 1 / Math.sqrt(length)
    for (let i = k + 1; i < n; i++) v[i] *= scale

    // A ← H·A·H = A − 2·(v·wᵀ + w·vᵀ), w = A·v − (vᵀ·A·v)·v
    let inner = 0
    for (let i = k + 1; i < n; i++) {
      let sum = 0
      for (let j = k + 1, at = i * n + j; j < n; j++, at++) sum += a[at] * v[j]
      product[i] = sum
      inner += sum * v[i]
    }
    for (let i = k + 1; i < n; i++) product[i] -= inner * v[i]
    for (let i = k + 1; i < n; i++) {
      const left = 2 * v[i]
      const right = 2 * product[i]
      for (let j = k + 1, at = i * n + j; j < n; j++, at++) a[at] -= left * product[j] + right * v[j]
    }
  }
  diagonal[n - 1] = a[n * n - 1]
  return { diagonal, below }
}

/** Drives `e` to zero; `d` becomes the eigenvalues. */
async function diagonalise(d: Float64Array, e: Float64Array, n: number): Promise<void> {
  const turn = eventLoopTurns()
  const norm = Math.max(...d.map(Math.abs), ...e.map(Math.abs))
  // Against the whole matrix: its small eigenvalues carry the rounding of the large ones anyway, and would never settle otherwise.
  const negligible = (i: number) => Math.abs(e[i]) <= Number.EPSILON * norm
  for (let first = 0; first < n; first++)
    for (let sweep = 0; ; sweep++) {
      await turn()
      let last = first
      while (last < n - 1 && !negligible(last)) last++
      if (last === first) break
      if (sweep === maxSweeps) throw new LetheError('INTERNAL', { message: 'eigenvalues were not found' })
      sweepUp(d, e, first, last)
    }
}

/** One QL sweep with implicit shift over the block first..last, from its end to its beginning. */
function sweepUp(d: Float64Array, e: Float64Array, first: number, last: number): void {
  const half = (d[first + 1] - d[first]) / (2 * e[first])
  const root = Math.sqrt(half * half + 1)
  // d[last] minus Wilkinson's shift
  let g = d[last] - d[first] + e[first] / (half + (half < 0 ? -root : root))
  let [sine, cosine, shift] = [1, 1, 0]
  for (let i = last - 1; i >= first; i--) {
    const f = sine * e[i]
    const b = cosine * e[i]
    const r = Math.sqrt(f * f + g * g)
    e[i + 1] = r
    if (r === 0) {
      // The block falls in two; the next sweep takes each by itself.
      d[i + 1] -= shift
      e[last] = 0
      return
    }
    sine = f / r
    cosine = g / r
    g = d[i + 1] - shift
    const s = (d[i] - g) * sine + 2 * cosine * b
    shift = sine * s
    d[i + 1] = g + shift
    g = cosine * s - b
  }
  d[first] -= shift
  e[first] = g
  e[last] = 0
}
