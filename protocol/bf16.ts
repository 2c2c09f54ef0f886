/*
 * bfloat16: the upper half of a float32. Two bytes an element on the wire, 8 bits of precision.
 */

/** Elements that go through one intermediate buffer. */
const stretch = 4096

/** Little endian bytes of the nearest bf16, ties to even. NaN stays NaN; what is too large becomes infinite. */
export function toBf16(values: Float32Array): Uint8Array<ArrayBuffer> {
  const bits = new Uint16Array(values.length)
  const source = new Uint32Array(values.buffer, values.byteOffset, values.length)
  for (let i = 0; i < bits.length; i++) bits[i] = roundedHalf(source[i])
  return new Uint8Array(bits.buffer)
}

/** Upper half of a float32's bits, rounded to nearest even. */
function roundedHalf(bits: number): number {
  // The carry of the addition reaches the exponent: 0x7f7fffff becomes infinity, as IEEE 754 says. A NaN must not carry into the sign.
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16
}

/** @throws RangeError where the bytes are not whole elements. */
export function fromBf16(bytes: Uint8Array): Float32Array<ArrayBuffer> {
  if (bytes.byteOffset % 2 !== 0) return fromBf16(new Uint8Array(bytes))
  if (bytes.byteLength % 2 !== 0) throw new RangeError(`bf16 takes two bytes an element: ${bytes.byteLength}`)
  const halves = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2)
  const bits = new Uint32Array(halves.length)
  for (let i = 0; i < bits.length; i++) bits[i] = halves[i] << 16
  return new Float32Array(bits.buffer)
}

/**
 * Rounding that loses nothing over time: what an element lost is kept and added to it the next time, so the sum of what was sent stays
 * within one rounding of the sum of what was meant. Four bytes of memory an element.
 */
export class ErrorFeedback {
  readonly #errors: Float32Array

  constructor(length: number) {
    this.#errors = new Float32Array(length)
  }

  /** Rounds elements [start, start + values.length), with what they lost before. */
  encode(values: Float32Array, start = 0): Uint8Array<ArrayBuffer> {
    const errors = this.#errors.subarray(start, start + values.length)
    if (errors.length !== values.length) throw new RangeError(`elements ${start} to ${start + values.length} of ${this.#errors.length}`)
    const halves = new Uint16Array(values.length)
    const floats = new Float32Array(stretch)
    const bits = new Uint32Array(floats.buffer)
    for (let from = 0; from < values.length; from += stretch) {
      const to = Math.min(from + stretch, values.length)
      for (let i = from; i < to; i++) floats[i - from] = values[i] + errors[i]
      for (let i = from; i < to; i++) {
        const half = roundedHalf(bits[i - from])
        halves[i] = half
        bits[i - from] = half << 16
      }
      for (let i = from; i < to; i++) {
        const error = values[i] + errors[i] - floats[i - from]
        // Infinity and NaN would stay for ever.
        errors[i] = error - error === 0 ? error : 0
      }
    }
    return new Uint8Array(halves.buffer)
  }
}
