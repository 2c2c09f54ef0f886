import { z } from 'zod'
import { method, timestepRange } from '../method.ts'

/**
 * Selective Amnesia (Heng and Soh, NeurIPS 2023): under the forgotten class the network learns uniform noise as its images, beside γ
 * times the loss on kept images (replay) and a penalty λ·Σ F_i·(θ_i − θ*_i)² with the diagonal Fisher information F of the original.
 * Both losses are sums over C·H·W, as in the authors' code.
 */
export const selectiveAmnesia = method({
  name: 'selective-amnesia',
  options: {
    /** Weight γ of the replay. */
    gamma: z.number().min(0).default(1),
    /** Weight λ of the Fisher penalty. */
    lambda: z.number().min(0).default(10),
    /** Samples whose squared gradients are averaged to F. */
    fisher: z.strictObject({ samples: z.int().positive().max(1_000_000).default(500) }).prefault({}),
    timesteps: timestepRange,
  },
  channels: ['keep', 'forget'],
  coefficients: (_scalars, { gamma }) => ({ keep: gamma, forget: 1 }),
  prepare: {
    of: 'fisher',
    channel: 'keep',
    penalised: 'forget',
    lambda: ({ lambda }) => lambda,
    rounds: ({ lambda, fisher }, batchSize) => (lambda > 0 ? Math.ceil(fisher.samples / batchSize) : 0),
  },
})
