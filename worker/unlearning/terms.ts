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

/** ‖target − predicted‖², summed over C·H·W, [B]. */
export function squaredError(target: tf.Tensor, predicted: tf.Tensor): tf.Tensor {
  return sumPerSample(tf.square(tf.sub(target, predicted)))
}

/** ‖ε − ε_θ(x_t, t)‖², summed over C·H·W, [B] (Ho et al. 2020, equation 14). */
export function epsilonLoss(predict: Predict, x: tf.Tensor, classes: tf.Tensor | undefined, inputs: LossInputs): tf.Tensor {
  return squaredError(inputs.noise, predict(noised(x, inputs), inputs.t, classes))
}

/** Which samples of a mixture are kept ones, [B] of 0 and 1: those whose coin, drawn from [0,1), is not below λ. */
export function takesKept({ coin }: LossInputs, lambda: number): tf.Tensor {
  return tf.cast(tf.greaterEqual(coin, lambda), 'float32')
}

/** The clean image of each sample of a mixture: x where `keeps` [B] is 1, a where it is 0. */
export function chosen(keeps: tf.Tensor, { x, a }: LossInputs): tf.Tensor {
  const weight = tf.reshape(keeps, [-1, 1, 1, 1])
  return tf.add(tf.mul(weight, x), tf.mul(tf.sub(1, weight), a))
}

/** ε_θ(a_t, c) of the forgotten images under the classes that take the place of theirs: what swap label trains towards. */
export function swapped(predict: Predict, inputs: LossInputs): tf.Tensor {
  return predict(noised(inputs.a, inputs), inputs.t, inputs.otherClass)
}

/** ‖target − ε_θ(a_t, c_f)‖², summed over C·H·W, [B]. */
export function forgottenError(predict: Predict, target: tf.Tensor, inputs: LossInputs): tf.Tensor {
  return squaredError(target, predict(noised(inputs.a, inputs), inputs.t, inputs.aClass))
}
