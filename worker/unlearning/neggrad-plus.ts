import type { Losses } from './losses.ts'
import { epsilonLoss } from './terms.ts'

/** NegGrad+: L_keep and L_forget of a pair with one t and one ε; which is subtracted, and how much of it, the coefficients say. */
export const neggradPlus: Losses<unknown, 'keep' | 'forget'> = {
  needs: ['x', 'xClass', 'a', 'aClass', 't', 'signal', 'sigma', 'noise'],
  losses: (predict, inputs) => ({
    keep: epsilonLoss(predict, inputs.x, inputs.xClass, inputs),
    forget: epsilonLoss(predict, inputs.a, inputs.aClass, inputs),
  }),
}
