import { type ConvAttributes, convKernels, convOutputSize } from '../../ops/conv.ts'
import { lower } from '../backend.ts'
import type { Graph, Value } from '../graph.ts'

function window(weight: readonly number[], { stride, padding }: ConvAttributes) {
  return {
    kernel_shape: weight.slice(2),
    strides: [stride, stride],
    pads: [padding, padding, padding, padding],
    dilations: [1, 1],
    group: 1,
  }
}

/** The filter of the transposed convolution as an ordinary one: input and output channels swapped, both axes mirrored. */
function mirrored(graph: Graph, weight: Value): Value {
  const [o, i, kh, kw] = weight.shape
  const taps = kh * kw
  const swapped = graph.transpose(graph.reshape(weight, [o, i, taps]), [1, 0, 2])
  if (taps === 1) return graph.reshape(swapped, [i, o, 1, 1])
  const backwards = graph.int64(Array.from({ length: taps }, (_, tap) => taps - 1 - tap))
  return graph.reshape(graph.node('Gather', [swapped, backwards], [i, o, taps], { axis: 2 }), [i, o, kh, kw])
}

/** x with `padding` zeros around both image axes. */
function padded(graph: Graph, x: Value, padding: number): Value {
  if (padding === 0) return x
  const [n, c, h, w] = x.shape
  return graph.node(
    'Pad',
    [x, graph.int64([0, 0, padding, padding, 0, 0, padding, padding]), graph.scalar(0)],
    [n, c, h + 2 * padding, w + 2 * padding],
  )
}

/** Every `stride`-th of `length` positions of one axis, from `start` on. */
function window1d(graph: Graph, x: Value, axis: number, start: number, length: number, stride: number): Value {
  const shape = x.shape.map((n, k) => (k === axis ? length : n))
  const ends = graph.int64([start + (length - 1) * stride + 1])
  return graph.node('Slice', [x, graph.int64([start]), ends, graph.int64([axis]), graph.int64([stride])], shape)
}

/** The pixels under each column of the filter, [N, kw·C, rows, Wo], taps before channels; rows are those of the padded image. */
function columnTaps(graph: Graph, x: Value, weightShape: readonly number[], attributes: ConvAttributes): Value {
  const [n, c, h, w] = x.shape
  const [, , , kw] = weightShape
  const { stride, padding } = attributes
  const wo = convOutputSize(w, kw, attributes)
  const base = padded(graph, x, padding)
  const taps = Array.from({ length: kw }, (_, column) => window1d(graph, base, 3, column, wo, stride))
  return kw === 1 ? taps[0] : graph.node('Concat', taps, [n, kw * c, h + 2 * padding, wo], { axis: 1 })
}

/**
 * dy once for each row of the filter, moved down by that row within an image of the padded height: [N, kh·O, rows, Wo]. Shifting dy,
 * which has fewer channels than the taps, spares kh copies of them. A stride leaves zero rows between.
 */
function rowShifts(graph: Graph, dy: Value, kh: number, rows: number, stride: number): Value {
  const [n, o, ho, wo] = dy.shape
  const spread = (ho - 1) * stride + 1
  const zeros = (amount: readonly number[]) => graph.int64([0, 0, amount[0], 0, 0, 0, amount[1], 0])
  let base = dy
  if (stride > 1) {
    const apart = graph.node(
      'Pad',
      [graph.reshape(dy, [n * o, ho, 1, wo]), zeros([0, stride - 1]), graph.scalar(0)],
      [n * o, ho, stride, wo],
    )
    base = window1d(graph, graph.reshape(apart, [n, o, ho * stride, wo]), 2, 0, spread, 1)
  }
  const shifts = Array.from({ length: kh }, (_, row) =>
    graph.node('Pad', [base, zeros([row, rows - spread - row]), graph.scalar(0)], [n, o, rows, wo]),
  )
  return kh === 1 ? shifts[0] : graph.node('Concat', shifts, [n, kh * o, rows, wo], { axis: 1 })
}

/** Channels first, samples and pixels joined: [N,C,H,W] → [C, N·H·W]. */
function channelRows(graph: Graph, x: Value): Value {
  const [n, c, h, w] = x.shape
  return graph.reshape(graph.transpose(x, [1, 0, 2, 3]), [c, n * h * w])
}

/** Below this many pixels a product per sample is too small to be fast, and one product over all samples wins (measured at 14×14 and 7×7). */
const smallImagePixels = 300

export function registerConvolution(): void {
  lower(convKernels.forward, (graph, { x, weight, bias }, attrs) => {
    const attributes = attrs as unknown as ConvAttributes
    const [n, , h, w] = x.shape
    const [o, , kh, kw] = weight.shape
    return graph.node(
      'Conv',
      [x, weight, bias],
      [n, o, convOutputSize(h, kh, attributes), convOutputSize(w, kw, attributes)],
      window(weight.shape, attributes),
    )
  })

  lower(convKernels.inputGradient, (graph, { dy, weight }, attrs) => {
    const attributes = attrs as unknown as ConvAttributes & { inputShape: number[] }
    const { stride, padding, inputShape } = attributes
    const [, , kh, kw] = weight.shape
    if (stride === 1) {
      const border = kh - 1 - padding
      return graph.node('Conv', [dy, mirrored(graph, weight)], inputShape, window([0, 0, kh, kw], { stride: 1, padding: border }))
    }
    const rest = [2, 3].map((axis) => inputShape[axis] - ((dy.shape[axis] - 1) * stride - 2 * padding + weight.shape[axis]))
    return graph.node('ConvTranspose', [dy, weight], inputShape, { ...window(weight.shape, attributes), output_padding: rest })
  })

  // One product over taps and shifts, [kw·C × pixels] · [pixels × kh·O]. Measured (one thread, 32 channels, 28×28): im2col with a product
  // per sample 104 GFLOP/s, one over all samples 76, a convolution with swapped axes 45; this is the first with fewer copies.
  lower(convKernels.weightGradient, (graph, { x, dy }, attrs) => {
    const attributes = attrs as unknown as ConvAttributes & { weightShape: number[] }
    const [o, c, kh, kw] = attributes.weightShape
    const taps = columnTaps(graph, x, attributes.weightShape, attributes)
    const [n, width, rows, columns] = taps.shape
    const shifts = rowShifts(graph, dy, kh, rows, attributes.stride)
    const pixels = rows * columns
    const product = [width, kh * o]
    let all: Value
    if (pixels <= smallImagePixels) {
      all = graph.node('Gemm', [channelRows(graph, taps), channelRows(graph, shifts)], product, { transA: 0, transB: 1 })
    } else {
      const operands = [graph.reshape(taps, [n, width, pixels]), graph.reshape(shifts, [n, kh * o, pixels])]
      const each = graph.node('FusedMatMul', operands, [n, ...product], { transA: 0, transB: 1 }, { domain: 'com.microsoft' })
      all = graph.node('ReduceSum', [each, graph.int64([0])], product, { keepdims: 0 })
    }
    return graph.transpose(graph.reshape(all, [kw, c, kh, o]), [3, 1, 2, 0])
  })
}
