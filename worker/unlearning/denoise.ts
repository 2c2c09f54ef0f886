import * as tf from '@tensorflow/tfjs'
import type { Losses } from './losses.ts'
import { epsilonLoss } from './terms.ts'

/** Ordinary training: mean over C·H·W of the squared error. */
export const denoise: Losses<unknown, 'keep'> = {
  needs: ['x', 'xClass', 't', 'signal', 'sigma', 'noise'],
  losses: (predict, inputs) => {
    const elements = inputs.x.size / inputs.x.shape[0]
    return { keep: tf.mul(epsilonLoss(predict, inputs.x, inputs.xClass, inputs), 1 / elements) }
  },
}
