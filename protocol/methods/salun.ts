import { z } from 'zod'
import { method, timestepRange } from '../method.ts'
import { substitute } from './substitute.ts'

/**
 * SalUn (Fan et al., ICLR 2024), in its form for DDPM: swap label, α times the kept loss, and a mask that lets only the most salient
 * weights move. As in the authors' code the swap is a mean over C·H·W and the kept loss a sum, to which the small α belongs.
 */
export const salun = method({
  name: 'salun',
  options: {
    /** Weight of the kept loss. */
    alpha: z.number().min(0).default(1e-3),
    substitute: substitute.default({ rule: 'next' }),
    /** The weights with the largest |Σ ∇L_forget|: this share of all, by so many batches of forgotten images. */
    saliency: z
      .strictObject({ share: z.number().gt(0).max(1).default(0.5), batches: z.int().positive().max(100_000).default(10) })
      .prefault({}),
    timesteps: timestepRange,
  },
  channels: ['keep', 'forget'],
  coefficients: (_scalars, { alpha }) => ({ keep: alpha, forget: 1 }),
  conditioning: () => 'needed',
  prepare: { of: 'saliency', channel: 'forget', rounds: ({ saliency }) => saliency.batches, share: ({ saliency }) => saliency.share },
})
