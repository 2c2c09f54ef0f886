import { z } from 'zod'
import { method, timestepRange } from '../method.ts'
import { subtraction } from './subtraction.ts'

/**
 * SISS with a coin in place of importance weights (`subscore_bernoulli` of the SISS code): each sample serves the kept loss or the
 * forgotten one. That is SISS at the times at which its weights are one-hot, and elsewhere the estimator that it improves on.
 */
export const sissBernoulli = method({
  name: 'siss-bernoulli',
  options: {
    /** Share of samples that are forgotten images. At 0 or 1 one of the two losses would have no sample. */
    lambda: z.number().gt(0).lt(1).default(0.5),
    /** Norm given to the subtracted gradient; losses are sums over C·H·W, means over the batch. */
    scalingNorm: z.number().positive().default(5),
    timesteps: timestepRange,
  },
  channels: ['keep', 'forget'],
  coefficients: (scalars, { scalingNorm }) => subtraction(scalars, scalingNorm),
  // Kept equal to SISS, which it stands beside in comparisons.
  conditioning: () => 'refused',
})
