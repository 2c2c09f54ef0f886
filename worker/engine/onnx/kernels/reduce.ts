import { lower } from '../backend.ts'
import type { Graph, Value } from '../graph.ts'

function reduce(op: string) {
  return (graph: Graph, { x }: Record<string, Value>, { axis, keepDims, reductionIndices }: Record<string, unknown>): Value => {
    const given = (axis ?? reductionIndices) as number | number[] | null | undefined
    const axes = (given == null ? x.shape.map((_, k) => k) : Array.isArray(given) ? given : [given]).map((k) =>
      k < 0 ? x.shape.length + k : k,
    )
    if (axes.length === 0) return x
    const shape = keepDims ? x.shape.map((n, k) => (axes.includes(k) ? 1 : n)) : x.shape.filter((_, k) => !axes.includes(k))
    return graph.node(op, [x, graph.int64(axes)], shape, { keepdims: keepDims ? 1 : 0 })
  }
}

export function registerReductions(): void {
  lower('Sum', reduce('ReduceSum'))
  lower('Mean', reduce('ReduceMean'))
  lower('Max', reduce('ReduceMax'))
  lower('Min', reduce('ReduceMin'))
  lower('Softmax', (graph, { logits }, { dim }) => graph.node('Softmax', [logits], logits.shape, { axis: (dim as number) ?? -1 }))
}

export function registerMatrixProducts(): void {
  lower('BatchMatMul', (graph, { a, b }, { transposeA, transposeB }) => {
    const rows = a.shape[a.shape.length - (transposeA ? 1 : 2)]
    const columns = b.shape[b.shape.length - (transposeB ? 2 : 1)]
    const batch = a.shape.slice(0, -2)
    const shape = [...(batch.length >= b.shape.length - 2 ? batch : b.shape.slice(0, -2)), rows, columns]
    const flags = { transA: transposeA ? 1 : 0, transB: transposeB ? 1 : 0 }
    if (shape.slice(0, -2).every((n) => n === 1)) {
      const matrix = (value: Value) => graph.reshape(value, value.shape.slice(-2))
      return graph.reshape(graph.node('Gemm', [matrix(a), matrix(b)], [rows, columns], flags), shape)
    }
    return graph.node('FusedMatMul', [a, b], shape, flags, { domain: 'com.microsoft' })
  })
}
