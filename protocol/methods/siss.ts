import { z } from 'zod'
import { method, timestepRange } from '../method.ts'
import { subtraction } from './subtraction.ts'

/**
 * SISS, Subtracted Importance Sampled Scores (Alberti et al., ICLR 2025, section 4): one forward pass at a point of the defensive
 * mixture serves the kept and the forgotten loss.
 */
export const siss = method({
  name: 'siss',
  options: {
    /** Weight of the forget sample in the mixture; 0 is close to naive deletion, 1 to NegGrad. */
    lambda: z.number().min(0).max(1).default(0.5),
    /** Norm given to the subtracted gradient; losses are sums over C·H·W, means over the batch. */
    scalingNorm: z.number().positive().default(5),
    timesteps: timestepRange,
  },
  channels: ['keep', 'forget'],
  coefficients: (scalars, { scalingNorm }) => subtraction(scalars, scalingNorm),
  // The one point of the mixture belongs to two samples, which may be of two classes.
  conditioning: () => 'refused',
})
