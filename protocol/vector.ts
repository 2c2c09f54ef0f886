function checkLengths(left: Float32Array, right: Float32Array): void {
  if (left.length !== right.length) throw new RangeError(`lengths differ: ${left.length} and ${right.length}`)
}

/** left += right in float32; returns left. */
export function addInPlace(left: Float32Array, right: Float32Array): Float32Array {
  checkLengths(left, right)
  const { length } = left
  for (let i = 0; i < length; i++) left[i] += right[i]
  return left
}

/**
 * Inner product in float64. Element i goes to accumulator i mod 8, the accumulators are added pairwise: one fixed order, so the same
 * bits everywhere.
 */
export function dot(a: Float32Array, b: Float32Array): number {
  checkLengths(a, b)
  let s0 = 0
  let s1 = 0
  let s2 = 0
  let s3 = 0
  let s4 = 0
  let s5 = 0
  let s6 = 0
  let s7 = 0
  const { length } = a
  const whole = length - (length % 8)
  for (let i = 0; i < whole; i += 8) {
    s0 += a[i] * b[i]
    s1 += a[i + 1] * b[i + 1]
    s2 += a[i + 2] * b[i + 2]
    s3 += a[i + 3] * b[i + 3]
    s4 += a[i + 4] * b[i + 4]
    s5 += a[i + 5] * b[i + 5]
    s6 += a[i + 6] * b[i + 6]
    s7 += a[i + 7] * b[i + 7]
  }
  let rest = 0
  for (let i = whole; i < length; i++) rest += a[i] * b[i]
  return s0 + s1 + (s2 + s3) + (s4 + s5 + (s6 + s7)) + rest
}

/** ‖a‖² in float64. */
export const squaredNorm = (a: Float32Array): number => dot(a, a)
