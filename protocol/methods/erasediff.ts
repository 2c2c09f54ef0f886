import { z } from 'zod'
import { method, type Scalars, timestepRange } from '../method.ts'
import { substitute } from './substitute.ts'

/** The weight λ_t of the forget gradient, ≥ 0. A forget gradient that is exactly zero has weight 0. */
const weight = z.discriminatedUnion('rule', [
  /** max(0, η − ⟨g_keep, g_forget⟩ / ‖g_forget‖²): the smallest that makes the forget loss fall at the rate η·‖g_forget‖². */
  z.strictObject({ rule: z.literal('adaptive') }),
  /** max(0, η − cos(g_keep, g_forget)), the adaptive rule of the authors' DDPM code. */
  z.strictObject({ rule: z.literal('cosine') }),
  /** A constant; 0.1 is what the authors' DDPM code runs with unless it is told otherwise. */
  z.strictObject({ rule: z.literal('fixed'), lambda: z.number().min(0).default(0.1) }),
])

function weightOf({ keep, forget }: Scalars<'keep' | 'forget'>, rule: z.output<typeof weight>, eta: number): number {
  if (!(forget.forget > 0)) return 0
  if (rule.rule === 'fixed') return rule.lambda
  if (rule.rule === 'adaptive') return Math.max(0, eta - keep.forget / forget.forget)
  // Two roots and not one of the product, which may leave the range of numbers.
  const norms = Math.sqrt(keep.keep) * Math.sqrt(forget.forget)
  return Math.max(0, eta - (norms > 0 ? keep.forget / norms : 0))
}

/**
 * EraseDiff (Wu et al., CVPR 2025): forgotten images are trained towards another target, and that gradient is added with a weight that
 * depends on how far the two gradients agree. As it stands by default this is the update that the SISS paper compares with: uniform
 * noise as target, no inner steps.
 */
export const erasediff = method({
  name: 'erasediff',
  options: {
    /** Rate η of the adaptive and of the cosine rule. */
    eta: z.number().positive().default(1e-3),
    weight: weight.default({ rule: 'adaptive' }),
    /** `uniform`: u ~ U[0,1); `random-label`: what the network itself predicts under a kept class. */
    target: z.enum(['uniform', 'random-label']).default('uniform'),
    /** The kept class of the target `random-label`. */
    substitute: substitute.default({ rule: 'batch' }),
    /** Steps K on the forget loss alone before each update, to estimate the least forget loss; then parameters are restored. */
    innerSteps: z.int().min(0).max(100_000).default(0),
    /** Learning rate of the inner steps; that of the training if not given. */
    innerLearningRate: z.number().positive().optional(),
    timesteps: timestepRange,
  },
  channels: ['keep', 'forget'],
  coefficients: (scalars, { weight, eta }) => ({ keep: 1, forget: weightOf(scalars, weight, eta) }),
  inner: { channel: 'forget', rounds: ({ innerSteps }) => innerSteps, learningRate: ({ innerLearningRate }) => innerLearningRate },
  conditioning: ({ target }) => (target === 'random-label' ? 'needed' : 'either'),
})
