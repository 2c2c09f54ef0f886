import type { Method } from '../method.ts'
import { denoise } from './denoise.ts'
import { erasediff } from './erasediff.ts'
import { naive } from './naive.ts'
import { neggrad } from './neggrad.ts'
import { siss } from './siss.ts'
import { sissNoIs } from './siss-no-is.ts'

/** Methods of `unlearn` jobs. A new method is one line here, its two files, a golden test and a line in the docs. */
export const unlearningMethods = { siss, 'siss-no-is': sissNoIs, erasediff, naive, neggrad } as const

export const methods = { denoise, ...unlearningMethods } as const

export type MethodName = keyof typeof methods

export function methodOf(name: MethodName): Method {
  return methods[name] as unknown as Method
}
