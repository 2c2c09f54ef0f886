import { z } from 'zod'
import { method, timestepRange } from '../method.ts'

/**
 * ESD, Erased Stable Diffusion (Gandikota et al., ICCV 2023), in class-conditional form: under the forgotten class the network is to
 * predict what guidance away from that class, by the original network, predicts.
 */
export const esd = method({
  name: 'esd',
  options: {
    /** Strength η of the negative guidance of the target. The repository's η′ is η + 1. */
    eta: z.number().min(0).default(1),
    timesteps: timestepRange,
  },
  channels: ['forget'],
  coefficients: () => ({ forget: 1 }),
  conditioning: () => 'needed',
})
