import * as tf from '@tensorflow/tfjs'
import type { TensorMap } from '../../../worker/engine/engine.ts'
import * as ops from '../../../worker/engine/ops/index.ts'
import { type Array64, at, build, fold, map, reshape, sizeOf, transpose, zip } from './array64.ts'

/** One operation on float32 inputs of the given shapes, and what it must give. Gradients are checked unless it has none. */
export interface Case {
  name: string
  shapes: Record<string, number[]>
  /** Inputs are normal numbers, or their absolute values plus a half. */
  positive?: boolean
  op(inputs: TensorMap): tf.Tensor
  expected(inputs: Record<string, Array64>): Array64
  differentiable?: boolean
}

const sum = (a: number, b: number) => a + b
const sigmoid = (x: number) => 1 / (1 + Math.exp(-x))
const silu = (x: number) => x * sigmoid(x)

const unary = (name: string, op: (x: tf.Tensor) => tf.Tensor, f: (x: number) => number, positive = false): Case => ({
  name,
  shapes: { x: [3, 4] },
  positive,
  op: ({ x }) => op(x),
  expected: ({ x }) => map(x, f),
})

const elementwise: Case[] = [
  unary('neg', tf.neg, (x) => -x),
  unary('abs', tf.abs, Math.abs),
  unary('exp', tf.exp, Math.exp),
  unary('log', tf.log, Math.log, true),
  unary('sqrt', tf.sqrt, Math.sqrt, true),
  unary('rsqrt', tf.rsqrt, (x) => 1 / Math.sqrt(x), true),
  unary('square', tf.square, (x) => x * x),
  unary('reciprocal', tf.reciprocal, (x) => 1 / x, true),
  unary('sigmoid', tf.sigmoid, sigmoid),
  unary('softplus', tf.softplus, (x) => Math.log1p(Math.exp(x))),
  unary('tanh', tf.tanh, Math.tanh),
  unary('sin', tf.sin, Math.sin),
  unary('cos', tf.cos, Math.cos),
  unary('relu', tf.relu, (x) => Math.max(x, 0)),
  unary('silu', ops.silu, silu),
  unary(
    'add a constant',
    (x) => tf.add(x, 2),
    (x) => x + 2,
  ),
  unary(
    'a constant minus',
    (x) => tf.sub(3, x),
    (x) => 3 - x,
  ),
  unary(
    'neutral constants',
    (x) => tf.add(0, tf.mul(1, tf.div(tf.sub(tf.mul(x, 1), 0), 1))),
    (x) => x,
  ),
  unary(
    'constants of full size',
    (x) => tf.add(tf.mul(x, tf.fill([3, 4], 2)), tf.mul(tf.ones([3, 4]), tf.fill([4], 0.5))),
    (x) => 2 * x + 0.5,
  ),
  unary(
    'uniform constants give the shape',
    (x) => tf.add(tf.sum(x), tf.zeros([3, 4])),
    () => 0,
  ),
  unary(
    'a value used twice',
    (x) => tf.add(tf.mul(x, x), tf.mul(x, tf.exp(x))),
    (x) => x * x + x * Math.exp(x),
  ),
  unary(
    'clone',
    (x) => x.clone(),
    (x) => x,
  ),
].map((one) =>
  one.name === 'uniform constants give the shape' ? { ...one, expected: ({ x }) => build([3, 4], () => x.data.reduce(sum)) } : one,
)

const binaryOps: [string, (a: tf.Tensor, b: tf.Tensor) => tf.Tensor, (a: number, b: number) => number][] = [
  ['add', tf.add, sum],
  ['sub', tf.sub, (a, b) => a - b],
  ['mul', tf.mul, (a, b) => a * b],
  ['div', tf.div, (a, b) => a / b],
  ['maximum', tf.maximum, Math.max],
  ['minimum', tf.minimum, Math.min],
  ['pow', tf.pow, (a, b) => a ** b],
  ['squaredDifference', tf.squaredDifference, (a, b) => (a - b) ** 2],
]
const operandShapes: [number[], number[]][] = [
  [
    [2, 3],
    [2, 3],
  ],
  [[2, 3], [3]],
  [
    [2, 1, 3],
    [4, 1],
  ],
  [[], [2, 2]],
  [
    [2, 3, 2, 2],
    [2, 3, 1, 1],
  ],
]
/** tfjs refuses these where an operand was broadcast. */
const withoutBroadcastGradient = ['maximum', 'minimum', 'squaredDifference']
const binary: Case[] = binaryOps.flatMap(([name, op, f]) =>
  (withoutBroadcastGradient.includes(name) ? operandShapes.slice(0, 1) : operandShapes).map(([a, b]) => ({
    name: `${name} [${a}] [${b}]`,
    shapes: { a, b },
    positive: true,
    op: (inputs: TensorMap) => op(inputs.a, inputs.b),
    expected: (inputs: Record<string, Array64>) => zip(inputs.a, inputs.b, f),
  })),
)

const comparisons: Case[] = [
  ['greater', tf.greater, (a: number, b: number) => a > b],
  ['greaterEqual', tf.greaterEqual, (a: number, b: number) => a >= b],
  ['less', tf.less, (a: number, b: number) => a < b],
  ['lessEqual', tf.lessEqual, (a: number, b: number) => a <= b],
  ['equal', tf.equal, (a: number, b: number) => a === b],
].map(([name, op, f]) => ({
  name: `${name} and cast`,
  shapes: { a: [3, 4], b: [4] },
  differentiable: false,
  op: ({ a, b }) => tf.cast((op as typeof tf.greater)(tf.concat([a, tf.expandDims(b)], 0), b), 'float32'),
  expected: ({ a, b }) =>
    zip({ shape: [4, 4], data: Float64Array.of(...a.data, ...b.data) }, b, (x, y) => Number((f as typeof Object.is)(x, y))),
}))

const selection: Case[] = [
  ...comparisons,
  ...[[2, 3], [3]].map(
    (conditionShape): Case => ({
      name: `where [${conditionShape}]`,
      shapes: { a: [2, 3], b: [3] },
      op: ({ a, b }) => tf.where(tf.tensor([1, 0, 1, 0, 0, 1].slice(0, sizeOf(conditionShape)), conditionShape, 'bool'), a, b),
      expected: ({ a, b }) =>
        build([2, 3], ([i, j]) => (j === 1 || (conditionShape.length === 2 && i === 1 && j === 0) ? b.data[j] : at(a, [i, j]))),
    }),
  ),
  {
    name: 'cast to int32 and back',
    shapes: { x: [12] },
    differentiable: false,
    op: ({ x }) => tf.cast(tf.cast(tf.mul(x, 3), 'int32'), 'float32'),
    expected: ({ x }) => map(x, (value) => Math.trunc(Math.fround(3 * value))),
  },
  {
    name: 'step',
    shapes: { x: [12] },
    differentiable: false,
    op: ({ x }) => tf.step(x),
    expected: ({ x }) => map(x, (value) => Number(value > 0)),
  },
  ...[0, 1].map((axis): Case => {
    const indices = axis === 0 ? [2, 0, 2, 1, 2] : [1, 1]
    return {
      name: `gather along axis ${axis}`,
      shapes: { x: [4, 3] },
      op: ({ x }) => tf.gather(x, tf.tensor1d(indices, 'int32'), axis),
      expected: ({ x }) =>
        axis === 0 ? build([5, 3], ([i, j]) => at(x, [indices[i], j])) : build([4, 2], ([i, j]) => at(x, [i, indices[j]])),
      // The gradient along other axes needs kernels that no model of ours uses.
      differentiable: axis === 0,
    }
  }),
]

const x234 = { x: [2, 3, 4] }
const reduction = (
  name: string,
  op: (x: tf.Tensor) => tf.Tensor,
  axes: number[],
  shape: number[],
  f: typeof sum,
  start: number,
  scale = 1,
): Case => ({
  name,
  shapes: x234,
  op: ({ x }) => op(x),
  expected: ({ x }) => map(reshape(fold(x, axes, start, f), shape), (value) => value * scale),
})
const reductions: Case[] = [
  reduction('sum', (x) => tf.sum(x), [0, 1, 2], [], sum, 0),
  reduction('sum [0]', (x) => tf.sum(x, 0), [0], [3, 4], sum, 0),
  reduction('sum [0,2] kept', (x) => tf.sum(x, [0, 2], true), [0, 2], [1, 3, 1], sum, 0),
  reduction('sum [-1]', (x) => tf.sum(x, -1), [2], [2, 3], sum, 0),
  reduction('mean', (x) => tf.mean(x), [0, 1, 2], [], sum, 0, 1 / 24),
  reduction('mean [1] kept', (x) => tf.mean(x, 1, true), [1], [2, 1, 4], sum, 0, 1 / 3),
  reduction('max', (x) => tf.max(x), [0, 1, 2], [], Math.max, -Infinity),
  reduction('max [2]', (x) => tf.max(x, 2), [2], [2, 3], Math.max, -Infinity),
  reduction('min [1]', (x) => tf.min(x, 1), [1], [2, 4], Math.min, Infinity),
]

const rearrange = (name: string, op: (x: tf.Tensor) => tf.Tensor, expected: (x: Array64) => Array64, shapes = x234): Case => ({
  name,
  shapes,
  op: ({ x }) => op(x),
  expected: ({ x }) => expected(x),
})
const shapes: Case[] = [
  rearrange(
    'reshape',
    (x) => tf.reshape(x, [4, -1]),
    (x) => reshape(x, [4, 6]),
  ),
  rearrange(
    'expandDims',
    (x) => tf.expandDims(x, -1),
    (x) => reshape(x, [2, 3, 4, 1]),
  ),
  rearrange(
    'flatten and back',
    (x) => tf.reshape(tf.reshape(x, [24]), [2, 3, 4]),
    (x) => x,
  ),
  rearrange(
    'transpose [2,0,1]',
    (x) => tf.transpose(x, [2, 0, 1]),
    (x) => transpose(x, [2, 0, 1]),
  ),
  rearrange(
    'transpose [0,2,1]',
    (x) => tf.transpose(x, [0, 2, 1]),
    (x) => transpose(x, [0, 2, 1]),
  ),
  rearrange(
    'transpose, default',
    (x) => tf.transpose(x),
    (x) => transpose(x, [2, 1, 0]),
  ),
  rearrange(
    'slice',
    (x) => tf.slice(x, [0, 1, 1], [2, 2, -1]),
    (x) => build([2, 2, 3], ([i, j, k]) => at(x, [i, j + 1, k + 1])),
  ),
  rearrange(
    'slice of everything',
    (x) => tf.slice(x, [0, 0, 0], [2, 3, 4]),
    (x) => x,
  ),
  rearrange(
    'split',
    (x) => tf.sub(tf.split(x, 2, 2)[1], tf.split(x, 2, 2)[0]),
    (x) => build([2, 3, 2], ([i, j, k]) => at(x, [i, j, k + 2]) - at(x, [i, j, k])),
  ),
  rearrange(
    'split by sizes',
    (x) => tf.split(x, [1, 2], 1)[1],
    (x) => build([2, 2, 4], ([i, j, k]) => at(x, [i, j + 1, k])),
  ),
  rearrange(
    'tile',
    (x) => tf.tile(x, [2, 1, 3]),
    (x) => build([4, 3, 12], ([i, j, k]) => at(x, [i % 2, j, k % 4])),
  ),
  rearrange(
    'tile of single axes',
    (x) => tf.tile(x, [5, 1, 2]),
    (x) => build([5, 3, 2], ([, j]) => x.data[j]),
    { x: [1, 3, 1] },
  ),
  rearrange(
    'pad',
    (x) =>
      tf.pad(
        x,
        [
          [1, 0],
          [0, 2],
          [0, 0],
        ],
        7,
      ),
    (x) => build([3, 5, 4], ([i, j, k]) => (i < 1 || j > 2 ? 7 : at(x, [i - 1, j, k]))),
  ),
  rearrange(
    'broadcastTo',
    (x) => tf.broadcastTo(x, [2, 3, 4]),
    (x) => build([2, 3, 4], (index) => at(x, index)),
    { x: [2, 1, 4] },
  ),
  rearrange(
    'stack',
    (x) => tf.stack([x, tf.mul(x, 2)], 1),
    (x) => build([2, 2, 3, 4], ([i, two, j, k]) => at(x, [i, j, k]) * (two + 1)),
  ),
  rearrange(
    'onesLike and zerosLike',
    (x) => tf.add(tf.mul(x, tf.onesLike(x)), tf.zerosLike(x)),
    (x) => x,
  ),
  rearrange('upsample2x', ops.upsample2x, (x) => build([2, 3, 4, 6], ([n, c, i, j]) => at(x, [n, c, i >> 1, j >> 1])), { x: [2, 3, 2, 3] }),
  ...[0, 1, -1].map(
    (axis): Case => ({
      name: `concat along axis ${axis}`,
      shapes: { a: [2, 3, 4].map((n, k) => (k === (axis + 3) % 3 ? 2 : n)), b: [2, 3, 4] },
      op: ({ a, b }) => tf.concat([a, b, a], axis),
      expected: ({ a, b }) => {
        const along = (axis + 3) % 3
        return build(
          [2, 3, 4].map((n, k) => (k === along ? n + 4 : n)),
          (index) => {
            const place = index[along]
            const [source, shifted] = place < 2 ? [a, place] : place < 2 + b.shape[along] ? [b, place - 2] : [a, place - 2 - b.shape[along]]
            return at(
              source,
              index.map((n, k) => (k === along ? shifted : n)),
            )
          },
        )
      },
    }),
  ),
]

export const basicCases: Case[] = [...elementwise, ...binary, ...selection, ...reductions, ...shapes]
