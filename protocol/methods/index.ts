import type { Method } from '../method.ts'
import { classify } from './classify.ts'
import { denoise } from './denoise.ts'
import { dimra } from './dimra.ts'
import { dimum } from './dimum.ts'
import { erasediff } from './erasediff.ts'
import { esd } from './esd.ts'
import { naive } from './naive.ts'
import { neggrad } from './neggrad.ts'
import { neggradPlus } from './neggrad-plus.ts'
import { randomLabel } from './random-label.ts'
import { salun } from './salun.ts'
import { selectiveAmnesia } from './selective-amnesia.ts'
import { siss } from './siss.ts'
import { sissBernoulli } from './siss-bernoulli.ts'
import { sissNoIs } from './siss-no-is.ts'

/** Methods of `unlearn` jobs. A new method is one line here, its two files, a golden test and a line in the docs. */
export const unlearningMethods = {
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
} as const

export const methods = { denoise, classify, dimra, ...unlearningMethods } as const

export type MethodName = keyof typeof methods

export function methodOf(name: MethodName): Method {
  return methods[name] as unknown as Method
}
