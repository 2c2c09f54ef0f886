import type { Scalars } from '../method.ts'

/**
 * SISS's rule for the update: the kept gradient minus the forgotten one rescaled to the fixed norm `scalingNorm`, up as well as down
 * (SISS paper, section 5). A forget gradient that is exactly zero is left out.
 */
export function subtraction({ forget }: Scalars<'keep' | 'forget'>, scalingNorm: number): { keep: number; forget: number } {
  const norm = Math.sqrt(forget.forget)
  return { keep: 1, forget: norm > 0 ? -scalingNorm / norm : 0 }
}
