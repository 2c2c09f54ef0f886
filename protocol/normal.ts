/*
 * The Box–Muller transform on 32-bit integers. Logarithm, sine and cosine are written out as series, because the accuracy of
 * Math.log, Math.sin and Math.cos is left to each JavaScript engine; addition, multiplication, division and square root are exact by
 * IEEE 754, so these normals have the same bits on every machine. The series are good to about 1e-13, far below float32.
 */

const radiansPerUnit = (2 * Math.PI) / 2 ** 32

/** ln(word / 2^32) for an integer word in 1..2^32. */
function logOfFraction(word: number): number {
  if (word === 2 ** 32) return 0
  let exponent = 31 - Math.clz32(word)
  let mantissa = word / (exponent === 31 ? 2 ** 31 : 1 << exponent)
  if (mantissa > Math.SQRT2) {
    mantissa /= 2
    exponent += 1
  }
  // ln m = 2 artanh(s) with |s| ≤ 0.172.
  const s = (mantissa - 1) / (mantissa + 1)
  const z = s * s
  const series = 1 + z * (1 / 3 + z * (1 / 5 + z * (1 / 7 + z * (1 / 9 + z * (1 / 11 + z * (1 / 13 + z * (1 / 15)))))))
  return (exponent - 32) * Math.LN2 + 2 * s * series
}

/**
 * Two independent standard normals out of two uint32, as [r·cos φ, r·sin φ] with r² = −2 ln((word0 + 1) / 2^32) and
 * φ = 2π·word1 / 2^32; |value| ≤ 6.66. Writes them to out[offset], out[offset + 1].
 */
export function boxMuller(word0: number, word1: number, out: Float32Array, offset: number): void {
  const radius = Math.sqrt(-2 * logOfFraction(word0 + 1))
  // The nearest quarter turn, and the rest within ±π/4.
  const quarter = ((word1 + 0x20000000) >>> 30) & 3
  const x = ((word1 - (quarter << 30)) | 0) * radiansPerUnit
  const z = x * x
  const sine = x * (1 + z * (-1 / 6 + z * (1 / 120 + z * (-1 / 5040 + z * (1 / 362880 + z * (-1 / 39916800 + z * (1 / 6227020800)))))))
  const cosine = 1 + z * (-1 / 2 + z * (1 / 24 + z * (-1 / 720 + z * (1 / 40320 + z * (-1 / 3628800 + z * (1 / 479001600))))))
  const swap = quarter & 1
  out[offset] = radius * (swap ? (quarter === 1 ? -sine : sine) : quarter === 0 ? cosine : -cosine)
  out[offset + 1] = radius * (swap ? (quarter === 1 ? cosine : -cosine) : quarter === 0 ? sine : -sine)
}
