import * as tf from '@tensorflow/tfjs'
import { conv2d as convolve, groupNorm as normalise } from '../../../worker/engine/ops/index.ts'
import { type Array64, conv2d, groupNorm, map, matMul, softmax, transpose } from './array64.ts'
import type { Case } from './cases.ts'

const lastTwoSwapped = (x: Array64) =>
  transpose(
    x,
    [...x.shape.keys()].map((axis, _, all) => (axis < all.length - 2 ? axis : 2 * all.length - 3 - axis)),
  )
const products: Case[] = [[], [1], [3], [2, 3]].flatMap((batch) =>
  [false, true].flatMap((transposeA) =>
    [false, true].map(
      (transposeB): Case => ({
        name: `matMul [${batch}]${transposeA ? ' aᵀ' : ''}${transposeB ? ' bᵀ' : ''}`,
        shapes: { a: [...batch, ...(transposeA ? [4, 2] : [2, 4])], b: [...batch, ...(transposeB ? [3, 4] : [4, 3])] },
        op: ({ a, b }) => tf.matMul(a, b, transposeA, transposeB),
        expected: ({ a, b }) => matMul(transposeA ? lastTwoSwapped(a) : a, transposeB ? lastTwoSwapped(b) : b),
      }),
    ),
  ),
)
const attention: Case = {
  name: 'attention over [batch, heads, pixels, width]',
  shapes: { q: [2, 2, 5, 3], k: [2, 2, 5, 3], v: [2, 2, 5, 3] },
  op: ({ q, k, v }) => tf.transpose(tf.matMul(tf.softmax(tf.mul(tf.matMul(q, k, false, true), 3 ** -0.5)), v), [0, 2, 1, 3]),
  expected: ({ q, k, v }) => transpose(matMul(softmax(map(matMul(q, lastTwoSwapped(k)), (value) => value * 3 ** -0.5)), v), [0, 2, 1, 3]),
}

/** [N,C,H,W], [O,kernel], stride, padding. The last large one is above the size at which the filter gradient changes its way. */
const convolutionShapes: [image: number[], filter: number[], stride: number, padding: number][] = [
  [[2, 3, 4, 4], [2, 1], 1, 0],
  [[2, 3, 4, 5], [4, 3], 1, 1],
  [[1, 2, 5, 5], [3, 3], 1, 0],
  [[2, 2, 6, 6], [3, 3], 2, 1],
  [[2, 2, 7, 5], [3, 3], 2, 1],
  [[1, 1, 3, 3], [1, 3], 1, 1],
  [[2, 2, 15, 16], [2, 3], 1, 1],
  [[2, 2, 15, 15], [2, 1], 1, 0],
  [[1, 2, 29, 30], [2, 3], 2, 1],
]
const convolutions = convolutionShapes.map(
  ([image, [o, kernel], stride, padding]): Case => ({
    name: `conv2d [${image}] to ${o} by ${kernel}×${kernel}, stride ${stride}, padding ${padding}`,
    shapes: { x: image, weight: [o, image[1], kernel, kernel], bias: [o] },
    op: ({ x, weight, bias }) => convolve(x, weight, bias, { stride, padding }),
    expected: ({ x, weight, bias }) => conv2d(x, weight, bias, { stride, padding }),
  }),
)

const norms = [
  [2, 6, 3, 2],
  [3, 4, 5],
  [1, 6, 1, 1],
].flatMap((shape) =>
  [false, true].map((activation): Case => {
    const options = { groups: 2, epsilon: 1e-5 }
    return {
      name: `groupNorm [${shape}]${activation ? ' and silu' : ''}`,
      shapes: { x: shape, scale: [shape[1]], shift: [shape[1]] },
      op: ({ x, scale, shift }) => normalise(x, scale, shift, { ...options, silu: activation }),
      expected: ({ x, scale, shift }) => map(groupNorm(x, scale, shift, options), activation ? (z) => z / (1 + Math.exp(-z)) : (z) => z),
    }
  }),
)
const softmaxes = [
  [3, 5],
  [2, 2, 3, 4],
].map(
  (shape): Case => ({
    name: `softmax [${shape}]`,
    shapes: { x: shape },
    op: ({ x }) => tf.softmax(x),
    expected: ({ x }) => softmax(x),
  }),
)

export const networkCases: Case[] = [...products, ...softmaxes, attention, ...convolutions, ...norms]
