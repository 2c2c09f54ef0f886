import * as tf from '@tensorflow/tfjs'
import type { Losses } from './losses.ts'
import { epsilonLoss } from './terms.ts'

/**
 * Selective Amnesia: ‖ε − ε_θ(u_t, c_f)‖² of surrogate images u ~ U[−1,1) under the forgotten class, and the loss of replayed images.
 * The Fisher penalty depends on parameters alone and is no loss of samples.
 */
export const selectiveAmnesia: Losses<unknown, 'keep' | 'forget'> = {
  needs: ['x', 'xClass', 'aClass', 'uniform', 't', 'signal', 'sigma', 'noise'],
  losses: (predict, inputs) => ({
    keep: epsilonLoss(predict, inputs.x, inputs.xClass, inputs),
    forget: epsilonLoss(predict, tf.sub(tf.mul(inputs.uniform, 2), 1), inputs.aClass, inputs),
  }),
}
