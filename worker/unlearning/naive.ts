import type { Losses } from './losses.ts'
import { epsilonLoss } from './terms.ts'

/** Naive deletion: L_{X\A}, equation 4 of the SISS paper, by samples of the kept data alone. */
export const naive: Losses<unknown, 'keep'> = {
  needs: ['x', 'xClass', 't', 'signal', 'sigma', 'noise'],
  losses: (predict, inputs) => ({ keep: epsilonLoss(predict, inputs.x, inputs.xClass, inputs) }),
}
