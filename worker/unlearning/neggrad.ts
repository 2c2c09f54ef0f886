import type { Losses } from './losses.ts'
import { epsilonLoss } from './terms.ts'

/** NegGrad: the forget loss L_A, which the method's coefficient turns into ascent. */
export const neggrad: Losses<unknown, 'forget'> = {
  needs: ['a', 'aClass', 't', 'signal', 'sigma', 'noise'],
  losses: (predict, inputs) => ({ forget: epsilonLoss(predict, inputs.a, inputs.aClass, inputs) }),
}
