/* From an 8-bit picture to what an extractor takes. Pure. */

export interface PictureShape {
  height: number
  width: number
  channels: number
}

export interface Preparation {
  /** Of the extractor: those of the picture, or any number where the picture is grey. */
  channels: number
  /** Height and width. */
  size: readonly [number, number]
  /** One number, or one for each channel of the extractor. */
  mean: readonly number[]
  std: readonly number[]
}

/**
 * `pixels` [H,W,C] of 8 bits as [channels, h, w]: divided by 255, resized, less `mean`, divided by `std`. In float64, rounded once at the
 * end.
 */
export function prepared(pixels: Uint8Array, shape: PictureShape, { channels, size, mean, std }: Preparation): Float32Array {
  const area = shape.height * shape.width
  const planes = Array.from({ length: shape.channels }, (_, c) => {
    const plane = new Float64Array(area)
    for (let i = 0; i < area; i++) plane[i] = pixels[i * shape.channels + c] / 255
    return resized(plane, [shape.height, shape.width], size)
  })
  const out = new Float32Array(channels * size[0] * size[1])
  for (let c = 0; c < channels; c++) {
    const plane = planes[shape.channels === 1 ? 0 : c]
    const [less, by] = [mean, std].map((values) => values[values.length === 1 ? 0 : c])
    for (let i = 0; i < plane.length; i++) out[c * plane.length + i] = (plane[i] - less) / by
  }
  return out
}

/**
 * Bilinear, with pixel centres at half numbers and the border repeated, without antialiasing: PyTorch's `interpolate` with
 * `align_corners=False`.
 */
export function resized(plane: Float64Array, [height, width]: readonly [number, number], size: readonly [number, number]): Float64Array {
  if (height === size[0] && width === size[1]) return plane
  const rows = neighboursOf(height, size[0])
  const columns = neighboursOf(width, size[1])
  const out = new Float64Array(size[0] * size[1])
  let at = 0
  for (const { low, high, share } of rows)
    for (const column of columns) {
      const above = mix(plane[low * width + column.low], plane[low * width + column.high], column.share)
      const below = mix(plane[high * width + column.low], plane[high * width + column.high], column.share)
      out[at++] = mix(above, below, share)
    }
  return out
}

const mix = (low: number, high: number, share: number) => low + share * (high - low)

/** For each place of the new axis the two of the old one that it lies between, and how far it is on its way to the second. */
function neighboursOf(from: number, to: number): { low: number; high: number; share: number }[] {
  return Array.from({ length: to }, (_, i) => {
    const place = Math.max(0, ((i + 0.5) * from) / to - 0.5)
    const low = Math.min(Math.floor(place), from - 1)
    return { low, high: Math.min(low + 1, from - 1), share: place - low }
  })
}
