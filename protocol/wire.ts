import { setImmediate as breathe } from 'node:timers/promises'
import { ErrorFeedback, fromBf16 } from './bf16.ts'
import { chunksOf } from './blocks.ts'
import type { WireEncoding } from './messages.ts'

/*
 * How float32 tensors are written on the wire: as they are, or rounded to bf16, where the sender adds what it lost to the next tensor.
 */

export const bytesPerElement: Readonly<Record<WireEncoding, number>> = { f32: 4, bf16: 2 }

/** `f32` gives a view of the bytes where they are aligned, else a new array. @throws RangeError where they are not whole elements. */
export function decodeTensor(bytes: Uint8Array, encoding: WireEncoding): Float32Array {
  if (encoding === 'bf16') return fromBf16(bytes)
  if (bytes.byteOffset % 4 !== 0) return decodeTensor(new Uint8Array(bytes), encoding)
  if (bytes.byteLength % 4 !== 0) throw new RangeError(`float32 takes four bytes an element: ${bytes.byteLength}`)
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4)
}

/** Writes tensors of one kind, such as the partials of one channel: keep one for each kind, it remembers what rounding lost. */
export class TensorEncoder {
  readonly #feedback: ErrorFeedback | null

  constructor(length: number, encoding: WireEncoding) {
    this.#feedback = encoding === 'bf16' ? new ErrorFeedback(length) : null
  }

  /** Bytes of elements [start, start + values.length): with `f32` a view of the values. The event loop gets turns. */
  async encode(values: Float32Array, start = 0): Promise<Uint8Array> {
    if (this.#feedback === null) return new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
    const bytes = new Uint8Array(2 * values.length)
    for (const chunk of chunksOf(0, values.length)) {
      if (chunk.start > 0) await breathe()
      bytes.set(this.#feedback.encode(values.subarray(chunk.start, chunk.end), start + chunk.start), 2 * chunk.start)
    }
    return bytes
  }
}
