import { z } from 'zod'
import { method, timestepRange } from '../method.ts'
import { subtraction } from './subtraction.ts'

/**
 * NegGrad+: min L_keep − β·L_forget. No source fixes β for diffusion models. Without a bound the second term wins as L_forget grows,
 * so by default its gradient is rescaled, as in SISS, but to a share of the kept one: β·‖g_keep‖. Up to β = 1 such a direction never
 * raises the kept loss, because ⟨g_keep, direction⟩ = ‖g_keep‖²·(1 − β·cos) ≥ 0, and it raises the forgotten one wherever cos < β.
 * The bound is ours.
 */
export const neggradPlus = method({
  name: 'neggrad-plus',
  options: {
    /** Weight of what is subtracted; with the bound, its norm as a multiple of that of the kept gradient. */
    beta: z.number().positive().default(1),
    bound: z.enum(['norm', 'none']).default('norm'),
    timesteps: timestepRange,
  },
  channels: ['keep', 'forget'],
  coefficients: (scalars, { beta, bound }) =>
    bound === 'norm' ? subtraction(scalars, beta * Math.sqrt(scalars.keep.keep)) : { keep: 1, forget: -beta },
})
