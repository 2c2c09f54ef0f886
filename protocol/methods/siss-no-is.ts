import { z } from 'zod'
import { method, timestepRange } from '../method.ts'
import { subtraction } from './subtraction.ts'

/** SISS without importance sampling: a forward pass each for the kept and the forgotten loss (SISS paper, "No IS"). */
export const sissNoIs = method({
  name: 'siss-no-is',
  options: { scalingNorm: z.number().positive().default(5), timesteps: timestepRange },
  channels: ['keep', 'forget'],
  coefficients: (scalars, { scalingNorm }) => subtraction(scalars, scalingNorm),
})
