/**
 * 8-bit pixels [height, width, channels] to the model's input [channels, height, width] in [-1, 1]: x/127.5 − 1 in float32.
 * `out` must have the same number of elements.
 */
export function pixelsToModel(pixels: Uint8Array, out: Float32Array, channels = 1): Float32Array {
  const area = pixels.length / channels
  for (let c = 0; c < channels; c++) {
    for (let i = 0; i < area; i++) out[c * area + i] = Math.fround(pixels[i * channels + c] / 127.5) - 1
  }
  return out
}

/** The way back, clipped to [-1, 1] and rounded: what samples are shown and stored as. */
export function modelToPixels(values: Float32Array, out: Uint8Array, channels = 1): Uint8Array {
  const area = values.length / channels
  for (let c = 0; c < channels; c++) {
    for (let i = 0; i < area; i++) out[i * channels + c] = Math.round((Math.min(Math.max(values[c * area + i], -1), 1) + 1) * 127.5)
  }
  return out
}
