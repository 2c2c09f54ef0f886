import type { Losses } from './losses.ts'
import { epsilonLoss } from './terms.ts'

/**
 * DiMUM, reconstructed: ‖ε − ε_θ(x_t, c)‖² of kept images and ‖ε − ε_θ(x̃_t, c_f)‖² of clean alternative images under the forgotten
 * class, with one t and one ε for the pair.
 */
export const dimum: Losses<unknown, 'keep' | 'alternative'> = {
  needs: ['x', 'xClass', 'alternative', 'aClass', 't', 'signal', 'sigma', 'noise'],
  losses: (predict, inputs) => ({
    keep: epsilonLoss(predict, inputs.x, inputs.xClass, inputs),
    alternative: epsilonLoss(predict, inputs.alternative, inputs.aClass, inputs),
  }),
}
