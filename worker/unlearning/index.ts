import type { MethodName } from '../../protocol/methods/index.ts'
import type { NetworkKind } from '../nn/network.ts'
import { classify } from './classify.ts'
import { denoise } from './denoise.ts'
import { dimum } from './dimum.ts'
import { erasediff } from './erasediff.ts'
import { esd } from './esd.ts'
import type { Losses } from './losses.ts'
import { naive } from './naive.ts'
import { neggrad } from './neggrad.ts'
import { neggradPlus } from './neggrad-plus.ts'
import { randomLabel } from './random-label.ts'
import { salun } from './salun.ts'
import { selectiveAmnesia } from './selective-amnesia.ts'
import { siss } from './siss.ts'
import { sissBernoulli } from './siss-bernoulli.ts'
import { sissNoIs } from './siss-no-is.ts'

/** The losses of every method that `protocol/methods` declares. */
const all: Record<MethodName, unknown> = {
  denoise,
  classify,
  // The attack is ordinary training; what makes it one is its data.
  dimra: denoise,
  siss,
  'siss-no-is': sissNoIs,
  'siss-bernoulli': sissBernoulli,
  erasediff,
  dimum,
  naive,
  neggrad,
  'neggrad-plus': neggradPlus,
  'random-label': randomLabel,
  salun,
  'selective-amnesia': selectiveAmnesia,
  esd,
}

export function lossesOf(name: MethodName): Losses<never, string, NetworkKind> {
  return all[name] as Losses<never, string, NetworkKind>
}
