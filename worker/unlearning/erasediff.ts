import type { Losses } from './losses.ts'
import { epsilonLoss, forgottenError, swapped } from './terms.ts'

/**
 * EraseDiff: kept images keep their noise as target. Forgotten ones get u ~ U[0,1) (EraseDiff paper, "EraseDiff_noise") or what the
 * network predicts for them under a kept class ("EraseDiff_rl"), a constant to the derivative.
 */
export const erasediff: Losses<{ target: 'uniform' | 'random-label' }, 'keep' | 'forget'> = {
  needs: ['x', 'xClass', 'a', 'aClass', 'otherClass', 't', 'signal', 'sigma', 'noise', 'uniform'],
  targets: ({ current }, inputs, { target }) => ({ forget: target === 'uniform' ? inputs.uniform : swapped(current, inputs) }),
  losses: (predict, inputs, _options, targets) => ({
    keep: epsilonLoss(predict, inputs.x, inputs.xClass, inputs),
    forget: forgottenError(predict, targets.forget, inputs),
  }),
}
