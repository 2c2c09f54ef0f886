import * as tf from '@tensorflow/tfjs'
import type { LossInputs, Predict } from './losses.ts'

/** q(x_t | x): √ᾱ_t·x + √(1−ᾱ_t)·ε */
export function noised(x: tf.Tensor, { signal, sigma, noise }: LossInputs): tf.Tensor {
  return tf.add(tf.mul(signal, x), tf.mul(sigma, noise))
}

/** Sum over C, H, W: [B,C,H,W] → [B]. */
export function sumPerSample(x: tf.Tensor): tf.Tensor {
  return tf.sum(x, [1, 2, 3])
}

/** ‖ε − ε_θ(x_t, t)‖², summed over C·H·W, [B] (Ho et al. 2020, equation 14). */
export function epsilonLoss(predict: Predict, x: tf.Tensor, classes: tf.Tensor | undefined, inputs: LossInputs): tf.Tensor {
  return sumPerSample(tf.square(tf.sub(inputs.noise, predict(noised(x, inputs), inputs.t, classes))))
}
