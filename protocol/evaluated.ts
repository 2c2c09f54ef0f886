import type { EvaluationResult } from './evaluation.ts'

/* How the answer to a unit travels and is kept: values, the widths of its readings, and one payload for all that is large. */

export interface PackedResult {
  values: number[]
  /** Of each matrix of readings; their float32 begin the payload, one matrix after the other, and the pictures follow. */
  widths: number[]
  payload: Uint8Array
}

export function packResult({ values, images, readings = [] }: EvaluationResult): PackedResult {
  const parts = readings.map(({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength))
  const widths = readings.map(({ length }) => length / values.length)
  return { values, widths, payload: parts.length === 0 ? images : Buffer.concat([...parts, images]) }
}

/** Bytes that come before the pictures. */
export function readingBytes(widths: readonly number[], count: number): number {
  return 4 * count * widths.reduce((sum, width) => sum + width, 0)
}

/** @throws RangeError where the payload is too short. */
export function unpackResult({ values, widths, payload }: PackedResult): EvaluationResult {
  const numbers = readingBytes(widths, values.length)
  if (payload.byteLength < numbers) throw new RangeError(`a payload of ${payload.byteLength} bytes lacks what networks said`)
  // A copy that begins at 0. Not slice: that of a Buffer, as the journal gives it, copies nothing.
  const floats = new Float32Array(new Uint8Array(payload.subarray(0, numbers)).buffer)
  let end = 0
  const readings = widths.map((width) => {
    end += width * values.length
    return floats.subarray(end - width * values.length, end)
  })
  return { values, images: payload.subarray(numbers), ...(readings.length > 0 && { readings }) }
}
