import type { MethodName } from '../../protocol/methods/index.ts'
import { denoise } from './denoise.ts'
import { erasediff } from './erasediff.ts'
import type { Losses } from './losses.ts'
import { naive } from './naive.ts'
import { neggrad } from './neggrad.ts'
import { siss } from './siss.ts'
import { sissNoIs } from './siss-no-is.ts'

/** The losses of every method that `protocol/methods` declares. */
const all: Record<MethodName, unknown> = { denoise, siss, 'siss-no-is': sissNoIs, erasediff, naive, neggrad }

export function lossesOf(name: MethodName): Losses {
  return all[name] as Losses
}
