import * as tf from '@tensorflow/tfjs'
import type { Losses } from './losses.ts'
import { chosen, noised, squaredError, takesKept } from './terms.ts'

/**
 * One forward pass, in which each row is a kept or a forgotten image: the kept rows' errors are divided by 1 − λ, which makes their sum
 * naive deletion in expectation. The forgotten rows' are not divided by λ, because the rule for the norm would take it out again. A
 * side without rows has loss and gradient zero.
 */
export const sissBernoulli: Losses<{ lambda: number }, 'keep' | 'forget'> = {
  needs: ['x', 'a', 't', 'signal', 'sigma', 'noise', 'coin'],
  losses: (predict, inputs, { lambda }) => {
    const keeps = takesKept(inputs, lambda)
    const error = squaredError(inputs.noise, predict(noised(chosen(keeps, inputs), inputs), inputs.t, undefined))
    return { keep: tf.mul(error, tf.mul(keeps, 1 / (1 - lambda))), forget: tf.mul(error, tf.sub(1, keeps)) }
  },
}
