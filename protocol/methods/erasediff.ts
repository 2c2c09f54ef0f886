import { z } from 'zod'
import { method, timestepRange } from '../method.ts'

/**
 * EraseDiff (Wu et al., CVPR 2025) as the SISS paper compares with it: the forgotten images are trained towards uniform noise, and the
 * smallest multiple of that gradient is added that makes the forget loss fall at the rate η‖g_forget‖². No inner loop.
 */
export const erasediff = method({
  name: 'erasediff',
  options: {
    /** Rate η at which the forget loss must fall. */
    eta: z.number().positive().default(1e-3),
    timesteps: timestepRange,
  },
  channels: ['keep', 'forget'],
  coefficients: ({ keep, forget }, { eta }) => ({
    keep: 1,
    forget: forget.forget > 0 ? Math.max(0, eta - keep.forget / forget.forget) : 0,
  }),
})
