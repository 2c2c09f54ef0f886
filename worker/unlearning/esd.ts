import * as tf from '@tensorflow/tfjs'
import type { Losses } from './losses.ts'
import { forgottenError, noised } from './terms.ts'

/**
 * ESD: ‖ε_θ(x_t, c_f) − [ε*(x_t, ∅) − η·(ε*(x_t, c_f) − ε*(x_t, ∅))]‖² with ε* the original network. Here x_t is a forgotten image
 * with noise; the authors draw it from the network by sampling part of the way.
 */
export const esd: Losses<{ eta: number }, 'forget'> = {
  needs: ['a', 'aClass', 'nullClass', 't', 'signal', 'sigma', 'noise'],
  asksOriginal: true,
  targets: ({ original }, inputs, { eta }) => {
    const m = noised(inputs.a, inputs)
    const free = original(m, inputs.t, inputs.nullClass)
    const guided = original(m, inputs.t, inputs.aClass)
    return { away: tf.sub(free, tf.mul(eta, tf.sub(guided, free))) }
  },
  losses: (predict, inputs, _options, targets) => ({ forget: forgottenError(predict, targets.away, inputs) }),
}
