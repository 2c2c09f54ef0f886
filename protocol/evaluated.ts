import type { EvaluationResult } from './evaluation.ts'

/* How the answer to a unit travels and is kept: values, the widths of what a classifier said, and one payload for all that is large. */

export interface PackedResult {
  values: number[]
  judged: { classes: number; features: number } | null
  payload: Uint8Array
}

export function packResult({ values, images, judged }: EvaluationResult): PackedResult {
  if (!judged) return { values, judged: null, payload: images }
  const { probabilities, features } = judged
  const parts = [probabilities, features].map(({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength))
  const widths = { classes: probabilities.length / values.length, features: features.length / values.length }
  return { values, judged: widths, payload: Buffer.concat([...parts, images]) }
}

/** Bytes that come before the pictures. */
export function judgedBytes(judged: PackedResult['judged'], count: number): number {
  return judged ? 4 * count * (judged.classes + judged.features) : 0
}

/** @throws RangeError where the payload is too short. */
export function unpackResult({ values, judged, payload }: PackedResult): EvaluationResult {
  const numbers = judgedBytes(judged, values.length)
  if (payload.byteLength < numbers) throw new RangeError(`a payload of ${payload.byteLength} bytes lacks what a classifier said`)
  const images = payload.subarray(numbers)
  if (!judged) return { values, images }
  const floats = new Float32Array(payload.slice(0, numbers).buffer)
  const middle = values.length * judged.classes
  return { values, images, judged: { probabilities: floats.subarray(0, middle), features: floats.subarray(middle) } }
}
