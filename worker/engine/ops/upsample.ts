import * as tf from '@tensorflow/tfjs'
import { composeEagerly, run } from './eager.ts'

export const upsampleKernels = { forward: 'LetheUpsample2x', gradient: 'LetheUpsample2xGradient' } as const

/**
 * Nearest-neighbour upsampling by two, [N,C,H,W] → [N,C,2H,2W]. An operation of our own because the gradient of tfjs
 * resizeNearestNeighbor is wrong on the cpu backend for batches of more than one.
 */
export function upsample2x(x: tf.Tensor): tf.Tensor {
  return run(upsampleKernels.forward, { x })
}

tf.registerGradient({
  kernelName: upsampleKernels.forward,
  gradFunc: (dy) => ({ x: () => run(upsampleKernels.gradient, { dy: dy as tf.Tensor }) }),
})

composeEagerly(upsampleKernels.forward, ({ x }) => {
  const [n, c, h, w] = x.shape
  const columns = tf.tile(tf.reshape(x, [n * c * h, w, 1]), [1, 1, 2])
  const rows = tf.tile(tf.reshape(columns, [n * c * h, 1, 2 * w]), [1, 2, 1])
  return tf.reshape(rows, [n, c, 2 * h, 2 * w])
})
composeEagerly(upsampleKernels.gradient, ({ dy }) => {
  const [n, c, h, w] = dy.shape
  return tf.reshape(tf.sum(tf.reshape(dy, [n * c, h / 2, 2, w / 2, 2]), [2, 4]), [n, c, h / 2, w / 2])
})
