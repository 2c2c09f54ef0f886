import * as tf from '@tensorflow/tfjs'
import { composeEagerly, run } from './eager.ts'

export const siluKernels = { forward: 'LetheSilu', gradient: 'LetheSiluGradient' } as const

/** SiLU, x·sigmoid(x) (Elfwing et al. 2018), any shape. */
export function silu(x: tf.Tensor): tf.Tensor {
  return run(siluKernels.forward, { x })
}

tf.registerGradient({
  kernelName: siluKernels.forward,
  inputsToSave: ['x'],
  gradFunc: (dy, [x]) => ({ x: () => run(siluKernels.gradient, { dy: dy as tf.Tensor, x }) }),
})

composeEagerly(siluKernels.forward, ({ x }) => tf.mul(x, tf.sigmoid(x)))
composeEagerly(siluKernels.gradient, ({ dy, x }) => {
  const s = tf.sigmoid(x)
  return tf.mul(dy, tf.mul(s, tf.add(1, tf.mul(x, tf.sub(1, s)))))
})
