import * as tf from '@tensorflow/tfjs'
import type { Losses } from './losses.ts'
import { epsilonLoss, noised, sumPerSample } from './terms.ts'

/** EraseDiff: the kept images keep their noise as target, the forgotten ones get u ~ U[0,1) (EraseDiff paper, "EraseDiff_noise"). */
export const erasediff: Losses<unknown, 'keep' | 'forget'> = {
  needs: ['x', 'xClass', 'a', 'aClass', 't', 'signal', 'sigma', 'noise', 'uniform'],
  losses: (predict, inputs) => ({
    keep: epsilonLoss(predict, inputs.x, inputs.xClass, inputs),
    forget: sumPerSample(tf.square(tf.sub(inputs.uniform, predict(noised(inputs.a, inputs), inputs.t, inputs.aClass)))),
  }),
}
