import * as tf from '@tensorflow/tfjs'
import type { Losses, LossInputs } from './losses.ts'
import { chosen, noised, squaredError, sumPerSample, takesKept } from './terms.ts'

/**
 * Importance weights w_x = q(m|x)/q_λ and w_a = q(m|a)/q_λ of a point m, both [B] (SISS paper, section 4). They follow from
 * Δ = log q(m|x) − log q(m|a) = (γ/σ²)·⟨m − γ(x+a)/2, x − a⟩ alone; the inner product avoids the difference of two huge sums, the
 * sigmoid cannot overflow.
 */
export function importanceWeights(m: tf.Tensor, { x, a, signal, sigma }: Pick<LossInputs, 'x' | 'a' | 'signal' | 'sigma'>, lambda: number) {
  const middle = tf.mul(signal, tf.mul(tf.add(x, a), 0.5))
  const inner = sumPerSample(tf.mul(tf.sub(m, middle), tf.sub(x, a)))
  const delta = tf.mul(inner, tf.reshape(tf.div(signal, tf.square(sigma)), [-1]))
  return weightsOf(delta, lambda)
}

/** w_x and w_a as functions of Δ [B]. */
export function weightsOf(delta: tf.Tensor, lambda: number): { wx: tf.Tensor; wa: tf.Tensor } {
  if (lambda === 0) return { wx: tf.onesLike(delta), wa: tf.exp(tf.neg(delta)) }
  if (lambda === 1) return { wx: tf.exp(delta), wa: tf.onesLike(delta) }
  const odds = Math.log((1 - lambda) / lambda)
  return {
    wx: tf.mul(tf.sigmoid(tf.add(delta, odds)), 1 / (1 - lambda)),
    wa: tf.mul(tf.sigmoid(tf.neg(tf.add(delta, odds))), 1 / lambda),
  }
}

/** SISS: both losses from one forward pass at m ~ q_λ, which is a_t where the coin, drawn from [0,1), is below λ and x_t elsewhere. */
export const siss: Losses<{ lambda: number }, 'keep' | 'forget'> = {
  needs: ['x', 'a', 't', 'signal', 'sigma', 'noise', 'coin'],
  losses: (predict, inputs, { lambda }) => {
    const m = noised(chosen(takesKept(inputs, lambda), inputs), inputs)
    const { wx, wa } = importanceWeights(m, inputs, lambda)
    const predicted = predict(m, inputs.t, undefined)
    const errorOf = (image: tf.Tensor) => squaredError(tf.div(tf.sub(m, tf.mul(inputs.signal, image)), inputs.sigma), predicted)
    return { keep: tf.mul(wx, errorOf(inputs.x)), forget: tf.mul(wa, errorOf(inputs.a)) }
  },
}
