import type { Losses } from './losses.ts'
import { epsilonLoss, forgottenError, swapped } from './terms.ts'

/** Swap label: ‖ε_θ(a_t, c_f) − stopgrad ε_θ(a_t, c_m)‖² beside the kept loss; the target moves with the network. */
export const randomLabel: Losses<unknown, 'keep' | 'forget'> = {
  needs: ['x', 'xClass', 'a', 'aClass', 'otherClass', 't', 'signal', 'sigma', 'noise'],
  targets: ({ current }, inputs) => ({ swapped: swapped(current, inputs) }),
  losses: (predict, inputs, _options, targets) => ({
    keep: epsilonLoss(predict, inputs.x, inputs.xClass, inputs),
    forget: forgottenError(predict, targets.swapped, inputs),
  }),
}
