/** A float64 array, row-major: what the conformance suite computes its expectations with, by definitions alone. */
export interface Array64 {
  shape: number[]
  data: Float64Array
}

export const sizeOf = (shape: readonly number[]): number => shape.reduce((product, n) => product * n, 1)

/** The array whose element at each index is `value(index)`. */
export function build(shape: readonly number[], value: (index: number[]) => number): Array64 {
  const index = shape.map(() => 0)
  const data = new Float64Array(sizeOf(shape))
  for (let i = 0; i < data.length; i++) {
    data[i] = value([...index])
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index[axis] += 1
      if (index[axis] < shape[axis]) break
      index[axis] = 0
    }
  }
  return { shape: [...shape], data }
}

/** The element at an index; axes of length 1 are broadcast, missing leading axes too. */
export function at({ shape, data }: Array64, index: readonly number[]): number {
  const skipped = index.length - shape.length
  return data[shape.reduce((offset, n, axis) => offset * n + (n === 1 ? 0 : index[axis + skipped]), 0)]
}

export const map = (x: Array64, f: (value: number) => number): Array64 => ({ shape: x.shape, data: x.data.map(f) })

/** Element by element, with broadcasting. */
export function zip(a: Array64, b: Array64, f: (a: number, b: number) => number): Array64 {
  const rank = Math.max(a.shape.length, b.shape.length)
  const shape = Array.from({ length: rank }, (_, axis) =>
    Math.max(a.shape[axis - rank + a.shape.length] ?? 1, b.shape[axis - rank + b.shape.length] ?? 1),
  )
  return build(shape, (index) => f(at(a, index), at(b, index)))
}

export const reshape = (x: Array64, shape: number[]): Array64 => ({ shape, data: x.data })

export const transpose = (x: Array64, permutation: readonly number[]): Array64 =>
  build(
    permutation.map((axis) => x.shape[axis]),
    (index) => {
      const source = x.shape.map(() => 0)
      permutation.forEach((axis, k) => {
        source[axis] = index[k]
      })
      return at(x, source)
    },
  )

/** Folds the given axes away; they stay with length 1. */
export function fold(x: Array64, axes: readonly number[], start: number, f: (sum: number, value: number) => number): Array64 {
  const inner = x.shape.map((n, axis) => (axes.includes(axis) ? n : 1))
  const outer = x.shape.map((n, axis) => (axes.includes(axis) ? 1 : n))
  return build(outer, (index) =>
    build(inner, (offset) =>
      at(
        x,
        index.map((n, axis) => n + offset[axis]),
      ),
    ).data.reduce((total, value) => f(total, value), start),
  )
}

/** Over the last two axes, all others equal. */
export function matMul(a: Array64, b: Array64): Array64 {
  const [rows, terms] = a.shape.slice(-2)
  return build([...a.shape.slice(0, -2), rows, b.shape[b.shape.length - 1]], (index) => {
    const [batch, [row, column]] = [index.slice(0, -2), index.slice(-2)]
    let sum = 0
    for (let k = 0; k < terms; k++) sum += at(a, [...batch, row, k]) * at(b, [...batch, k, column])
    return sum
  })
}

export function softmax(x: Array64): Array64 {
  const last = [x.shape.length - 1]
  const powers = zip(x, fold(x, last, -Infinity, Math.max), (value, max) => Math.exp(value - max))
  return zip(
    powers,
    fold(powers, last, 0, (sum, value) => sum + value),
    (value, sum) => value / sum,
  )
}

/** Cross-correlation of images [N,C,H,W] with weights [O,I,kh,kw], zeros around. */
export function conv2d(x: Array64, weight: Array64, bias: Array64, { stride, padding }: { stride: number; padding: number }): Array64 {
  const [n, c, h, w] = x.shape
  const [o, , kh, kw] = weight.shape
  const out = (size: number, kernel: number) => Math.floor((size + 2 * padding - kernel) / stride) + 1
  return build([n, o, out(h, kh), out(w, kw)], ([sample, channel, row, column]) => {
    let sum = bias.data[channel]
    for (let i = 0; i < c; i++)
      for (let p = 0; p < kh; p++)
        for (let q = 0; q < kw; q++) {
          const [y, z] = [row * stride + p - padding, column * stride + q - padding]
          if (y < 0 || y >= h || z < 0 || z >= w) continue
          sum += x.data[((sample * c + i) * h + y) * w + z] * weight.data[((channel * c + i) * kh + p) * kw + q]
        }
    return sum
  })
}

export function groupNorm(x: Array64, scale: Array64, shift: Array64, { groups, epsilon }: { groups: number; epsilon: number }): Array64 {
  const perChannel = (v: Array64) => reshape(v, [v.shape[0], ...x.shape.slice(2).map(() => 1)])
  const rows = reshape(x, [x.shape[0], groups, x.data.length / (x.shape[0] * groups)])
  const mean = (v: Array64) =>
    map(
      fold(v, [2], 0, (sum, value) => sum + value),
      (sum) => sum / rows.shape[2],
    )
  const centred = zip(rows, mean(rows), (value, centre) => value - centre)
  const variance = mean(map(centred, (value) => value * value))
  const unit = reshape(
    zip(centred, variance, (value, square) => value / Math.sqrt(square + epsilon)),
    x.shape,
  )
  return zip(
    zip(unit, perChannel(scale), (value, by) => value * by),
    perChannel(shift),
    (value, by) => value + by,
  )
}

/** ∂f/∂x for every element of x, by central differences. `f` may be called with x changed in place. */
export function differences(x: Array64, f: () => number, width = 1e-5): Float64Array {
  return x.data.map((value, i) => {
    x.data[i] = value + width
    const above = f()
    x.data[i] = value - width
    const below = f()
    x.data[i] = value
    return (above - below) / (2 * width)
  })
}
