import { lower } from '../backend.ts'
import { type Graph, sizeOf, type Value } from '../graph.ts'

function filled(graph: Graph, shape: readonly number[], value: number, dtype: Value['dtype'] = 'float32'): Value {
  return graph.constant(new Float64Array(sizeOf(shape)).fill(value), shape, dtype)
}

export function slice(graph: Graph, x: Value, begin: readonly number[], size: readonly number[]): Value {
  const cut = x.shape.map((_, axis) => axis).filter((axis) => begin[axis] !== 0 || size[axis] !== x.shape[axis])
  if (cut.length === 0) return x
  const starts = cut.map((axis) => begin[axis])
  const ends = cut.map((axis) => begin[axis] + size[axis])
  return graph.node('Slice', [x, graph.int64(starts), graph.int64(ends), graph.int64(cut)], size)
}

export function registerShape(): void {
  lower('Reshape', (graph, { x }, { shape }) => graph.reshape(x, resolve(shape as number[], sizeOf(x.shape))))
  lower('ExpandDims', (graph, { input }, { dim }) => {
    const axis = (dim as number) < 0 ? input.shape.length + 1 + (dim as number) : (dim as number)
    return graph.reshape(input, [...input.shape.slice(0, axis), 1, ...input.shape.slice(axis)])
  })
  lower('Transpose', (graph, { x }, { perm }) => graph.transpose(x, perm as number[]))
  lower('Concat', (graph, inputs, { axis }) => {
    const parts = Object.values(inputs).filter((part) => sizeOf(part.shape) > 0)
    if (parts.length === 1) return parts[0]
    const along = (axis as number) < 0 ? parts[0].shape.length + (axis as number) : (axis as number)
    const shape = parts[0].shape.map((n, k) => (k === along ? parts.reduce((sum, part) => sum + part.shape[k], 0) : n))
    return graph.node('Concat', parts, shape, { axis: along })
  })
  lower('Slice', (graph, { x }, { begin, size }) => {
    const start = begin as number[]
    const extent = (size as number[]).map((n, axis) => (n < 0 ? x.shape[axis] - start[axis] : n))
    return slice(graph, x, start, extent)
  })
  lower('SplitV', (graph, { x }, { numOrSizeSplits, axis }) => {
    const along = (axis as number) < 0 ? x.shape.length + (axis as number) : (axis as number)
    const sizes = Array.isArray(numOrSizeSplits)
      ? (numOrSizeSplits as number[])
      : new Array<number>(numOrSizeSplits as number).fill(x.shape[along] / (numOrSizeSplits as number))
    let offset = 0
    return sizes.map((size) => {
      const begin = x.shape.map((_, k) => (k === along ? offset : 0))
      offset += size
      return slice(
        graph,
        x,
        begin,
        x.shape.map((n, k) => (k === along ? size : n)),
      )
    })
  })
  lower('PadV2', (graph, { x }, { paddings, constantValue }) => {
    const pads = paddings as [number, number][]
    const shape = x.shape.map((n, axis) => n + pads[axis][0] + pads[axis][1])
    return graph.node(
      'Pad',
      [x, graph.int64([...pads.map((pad) => pad[0]), ...pads.map((pad) => pad[1])]), graph.scalar((constantValue as number) ?? 0)],
      shape,
    )
  })
  lower('Tile', (graph, { x }, { reps }) => {
    const repeats = reps as number[]
    const shape = x.shape.map((n, axis) => n * repeats[axis])
    if (repeats.every((n) => n === 1)) return x
    if (x.uniform !== undefined) return filled(graph, shape, x.uniform, x.dtype)
    // Where only axes of length 1 are repeated, Expand does it without the general copy loops of Tile.
    if (repeats.every((n, axis) => n === 1 || x.shape[axis] === 1)) return graph.node('Expand', [x, graph.int64(shape)], shape)
    return graph.node('Tile', [x, graph.int64(repeats)], shape)
  })
  lower('BroadcastTo', (graph, { x }, { shape }) => graph.node('Expand', [x, graph.int64(shape as number[])], shape as number[]))
  lower('Pack', (graph, inputs, { axis }) => {
    const parts = Object.values(inputs)
    const shape = parts[0].shape
    const along = (axis as number) < 0 ? shape.length + 1 + (axis as number) : (axis as number)
    const single = [...shape.slice(0, along), 1, ...shape.slice(along)]
    const whole = single.map((n, k) => (k === along ? parts.length : n))
    return graph.node(
      'Concat',
      parts.map((part) => graph.reshape(part, single)),
      whole,
      { axis: along },
    )
  })
  lower('Unpack', (graph, { value }, { axis }) => {
    const along = (axis as number) < 0 ? value.shape.length + (axis as number) : (axis as number)
    const single = value.shape.map((n, k) => (k === along ? 1 : n))
    return Array.from({ length: value.shape[along] }, (_, place) => {
      const begin = value.shape.map((_n, k) => (k === along ? place : 0))
      return graph.reshape(slice(graph, value, begin, single), single.toSpliced(along, 1))
    })
  })
  lower('Fill', (graph, _inputs, { shape, value, dtype }) =>
    filled(graph, shape as number[], value as number, (dtype as 'float32') ?? 'float32'),
  )
  lower('OnesLike', (graph, { x }) => filled(graph, x.shape, 1, x.dtype))
  lower('ZerosLike', (graph, { x }) => filled(graph, x.shape, 0, x.dtype))
  lower('GatherV2', (graph, { x, indices }, { axis }) => {
    const along = axis as number
    const shape = [...x.shape.slice(0, along), ...indices.shape, ...x.shape.slice(along + 1)]
    return graph.node('Gather', [x, indices], shape, { axis: along }, { dtype: x.dtype })
  })
  lower('UnsortedSegmentSum', (graph, { x, segmentIds }, { numSegments }) => {
    // One-hot rows turn the sum over equal ids into one matrix product, in an order that does not depend on the ids.
    const [rows, columns] = [segmentIds.shape[0], sizeOf(x.shape) / segmentIds.shape[0]]
    const all = graph.constant(
      Int32Array.from({ length: numSegments as number }, (_, id) => id),
      [1, numSegments as number],
      'int32',
    )
    const equal = graph.node('Equal', [graph.reshape(segmentIds, [rows, 1]), all], [rows, numSegments as number], {}, { dtype: 'bool' })
    const oneHot = graph.node('Cast', [equal], equal.shape, { to: 1 }, { dtype: 'float32' })
    const sum = graph.node(
      'Gemm',
      [oneHot, graph.reshape(x, [rows, columns])],
      [numSegments as number, columns],
      { transA: 1 },
      { dtype: 'float32' },
    )
    return graph.reshape(sum, [numSegments as number, ...x.shape.slice(1)])
  })
}

function resolve(shape: readonly number[], size: number): number[] {
  const known = shape.reduce((product, n) => (n < 0 ? product : product * n), 1)
  return shape.map((n) => (n < 0 ? size / known : n))
}
