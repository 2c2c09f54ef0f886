import * as tf from '@tensorflow/tfjs'
import type { Losses } from './losses.ts'
import { neggrad } from './neggrad.ts'
import { randomLabel } from './random-label.ts'

/** SalUn's losses: those of swap label, the swap as a mean over C·H·W and the kept loss as a sum, like the authors' DDPM code. */
export const salun: Losses<unknown, 'keep' | 'forget'> = {
  ...randomLabel,
  // The saliency is that of the ε-loss of the forgotten images.
  prepare: neggrad,
  losses: (predict, inputs, options, targets) => {
    const { keep, forget } = randomLabel.losses(predict, inputs, options, targets)
    const elements = inputs.a.size / inputs.a.shape[0]
    return { keep, forget: tf.mul(forget, 1 / elements) }
  },
}
