import { z } from 'zod'
import { method, timestepRange } from '../method.ts'

/**
 * DiMUM (Yuan et al. 2025, arXiv 2512.03564), reconstructed from its abstract: the kept loss, and under the forgotten condition the
 * memorisation of alternative images with their true noise. The form of the sum, the weight β and the choice of alternative images are
 * ours; so is the use on a model without classes, where the alternatives join the kept images in place of the forgotten ones.
 */
export const dimum = method({
  name: 'dimum',
  options: {
    /** Weight of the memorisation. Both losses are sums over C·H·W. */
    beta: z.number().positive().default(1),
    timesteps: timestepRange,
  },
  channels: ['keep', 'alternative'],
  coefficients: (_scalars, { beta }) => ({ keep: 1, alternative: beta }),
})
