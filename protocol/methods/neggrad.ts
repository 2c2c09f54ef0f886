import { z } from 'zod'
import { method, timestepRange } from '../method.ts'

/** NegGrad: gradient ascent on the forget loss, without any bound (SISS paper, section 3). */
export const neggrad = method({
  name: 'neggrad',
  options: { superfactor: z.number().positive().default(1), timesteps: timestepRange },
  channels: ['forget'],
  coefficients: (_scalars, { superfactor }) => ({ forget: -superfactor }),
})
