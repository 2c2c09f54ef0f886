import type { Losses } from './losses.ts'
import { epsilonLoss } from './terms.ts'

/** SISS without importance sampling: ‖ε − ε_θ(x_t)‖² and ‖ε − ε_θ(a_t)‖² of a pair with one t and one ε. */
export const sissNoIs: Losses<unknown, 'keep' | 'forget'> = {
  needs: ['x', 'xClass', 'a', 'aClass', 't', 'signal', 'sigma', 'noise'],
  losses: (predict, inputs) => ({
    keep: epsilonLoss(predict, inputs.x, inputs.xClass, inputs),
    forget: epsilonLoss(predict, inputs.a, inputs.aClass, inputs),
  }),
}
