import { type GroupNormAttributes, groupNormKernels } from '../../ops/norm.ts'
import { siluKernels } from '../../ops/silu.ts'
import { lower } from '../backend.ts'
import { type Graph, sizeOf, type Value } from '../graph.ts'

function silu(graph: Graph, x: Value): Value {
  return graph.node('QuickGelu', [x], x.shape, { alpha: { float: 1 } }, { domain: 'com.microsoft' })
}

/** dy · silu'(x) = dy · (s + y − y·s) with s = sigmoid(x), y = x·s. */
function siluGradient(graph: Graph, dy: Value, x: Value, y: Value): Value {
  const s = graph.node('Sigmoid', [x], x.shape)
  const rest = graph.node('Sub', [y, graph.node('Mul', [y, s], x.shape)], x.shape)
  return graph.node('Mul', [dy, graph.node('Add', [s, rest], x.shape)], x.shape)
}

/** Statistics of each group by LayerNormalization, whose second and third outputs the gradient needs: mean and 1/deviation, [N,G,1]. */
function statistics(graph: Graph, x: Value, { groups, epsilon }: GroupNormAttributes) {
  const [n] = x.shape
  const width = sizeOf(x.shape) / (n * groups)
  const grouped = graph.reshape(x, [n, groups, width])
  const ones = graph.constant(new Float64Array(width).fill(1), [width])
  const [normalised, mean, inverseDeviation] = graph.multi(
    'LayerNormalization',
    [grouped, ones],
    [
      [n, groups, width],
      [n, groups, 1],
      [n, groups, 1],
    ],
    {
      axis: 2,
      epsilon: { float: epsilon },
      stash_type: 1,
    },
  )
  return { normalised: graph.reshape(normalised, x.shape), mean, inverseDeviation }
}

/** x·a + b in one pass, with one a and b for each channel row of x viewed as [1, rows, width]: batch normalisation of mean 0, variance 1. */
function scaleShift(graph: Graph, x: Value, a: Value, b: Value, rows: number): Value {
  const width = sizeOf(x.shape) / rows
  const zeros = graph.constant(new Float64Array(rows), [rows])
  const ones = graph.constant(new Float64Array(rows).fill(1), [rows])
  const view = graph.reshape(x, [1, rows, width])
  const out = graph.node('BatchNormalization', [view, graph.reshape(a, [rows]), graph.reshape(b, [rows]), zeros, ones], view.shape, {
    epsilon: { float: 0 },
    training_mode: 0,
  })
  return graph.reshape(out, x.shape)
}

/** [C] → [N, C]. */
function perRow(graph: Graph, v: Value, n: number): Value {
  return graph.node('Expand', [graph.reshape(v, [1, v.shape[0]]), graph.int64([n, v.shape[0]])], [n, v.shape[0]])
}

export function registerNormalisation(): void {
  const scaled = (graph: Graph, inputs: Record<string, Value>, attributes: GroupNormAttributes): Value => {
    const { x, scale, shift } = inputs
    const [n, c] = x.shape
    const { normalised } = statistics(graph, x, attributes)
    return scaleShift(graph, normalised, perRow(graph, scale, n), perRow(graph, shift, n), n * c)
  }

  lower(groupNormKernels.forward, (graph, inputs, attrs) => {
    const attributes = attrs as unknown as GroupNormAttributes
    const z = scaled(graph, inputs, attributes)
    return attributes.silu ? silu(graph, z) : z
  })

  // With A = Σ dz and B = Σ dz·x over the pixels of each (sample, channel), everything but two passes over the image is small:
  // dx = scale·r·dz + q·x + p, where r = 1/deviation and q, p depend on the group alone.
  lower(groupNormKernels.gradient, (graph, inputs, attrs) => {
    const attributes = attrs as unknown as GroupNormAttributes
    const { dy, x, scale } = inputs
    const [n, c] = x.shape
    const { groups } = attributes
    const width = sizeOf(x.shape) / (n * c)
    const count = (width * c) / groups
    const { mean, inverseDeviation } = statistics(graph, x, attributes)
    let dz = dy
    if (attributes.silu) {
      const z = scaled(graph, inputs, attributes)
      dz = siluGradient(graph, dy, z, silu(graph, z))
    }
    const mul = (a: Value, b: Value, shape: readonly number[]) => graph.node('Mul', [a, b], shape)
    const sum = (v: Value, axis: number, shape: readonly number[], keep = 1) =>
      graph.node('ReduceSum', [v, graph.int64([axis])], shape, { keepdims: keep })
    const grouped = [n, groups, c / groups]
    const rows = [n * c, width]
    const a = graph.reshape(sum(graph.reshape(dz, rows), 1, [n * c, 1]), grouped)
    const b = graph.reshape(sum(mul(graph.reshape(dz, rows), graph.reshape(x, rows), rows), 1, [n * c, 1]), grouped)
    // Σ dz·x̂ of each channel, from B − mean·A.
    const projected = mul(graph.node('Sub', [b, mul(mean, a, grouped)], grouped), inverseDeviation, grouped)
    const dscale = graph.reshape(sum(graph.reshape(projected, [n, c]), 0, [c], 0), [c])
    const dshift = graph.reshape(sum(graph.reshape(a, [n, c]), 0, [c], 0), [c])

    const weights = graph.reshape(scale, [1, groups, c / groups])
    const one = [n, groups, 1]
    const average = (v: Value) => mul(sum(mul(v, weights, grouped), 2, one), graph.scalar(1 / count), one)
    const q = graph.node('Neg', [mul(mul(average(projected), inverseDeviation, one), inverseDeviation, one)], one)
    const p = graph.node('Neg', [graph.node('Add', [mul(average(a), inverseDeviation, one), mul(q, mean, one)], one)], one)
    const r = mul(weights, inverseDeviation, grouped)
    const wide = (v: Value) => graph.node('Expand', [v, graph.int64(grouped)], grouped)
    const direct = graph.node('Mul', [graph.reshape(dz, rows), graph.reshape(r, [n * c, 1])], rows)
    const correction = graph.reshape(scaleShift(graph, x, wide(q), wide(p), n * c), rows)
    const dx = graph.reshape(graph.node('Add', [direct, correction], rows), x.shape)
    return [dx, dscale, dshift]
  })

  lower(siluKernels.forward, (graph, { x }) => silu(graph, x))
  lower(siluKernels.gradient, (graph, { dy, x }) => siluGradient(graph, dy, x, silu(graph, x)))
}
