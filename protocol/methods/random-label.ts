import { z } from 'zod'
import { method, timestepRange } from '../method.ts'
import { substitute } from './substitute.ts'

/**
 * Random label, or swap label: under the forgotten class the network is to predict what it now predicts under a kept one, beside α
 * times the kept loss. Both losses are sums over C·H·W.
 */
export const randomLabel = method({
  name: 'random-label',
  options: {
    /** Weight of the kept loss; 0 leaves only the swap. Sources differ. */
    alpha: z.number().min(0).default(1),
    substitute: substitute.default({ rule: 'random' }),
    timesteps: timestepRange,
  },
  channels: ['keep', 'forget'],
  coefficients: (_scalars, { alpha }) => ({ keep: alpha, forget: 1 }),
  conditioning: () => 'needed',
})
