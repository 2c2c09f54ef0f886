import type { StepJob } from './job.ts'
import { methodOf } from './methods/index.ts'

/*
 * A round is one reduction: gradients are computed, added up the tree and turned into one direction, as often as the run has steps. Most
 * methods update once a round. Some first look (`prepare`: SalUn's saliency, Fisher information), some try steps that they take back
 * (`inner`: the lower level of EraseDiff). What a round is for follows from its number alone, so that any worker knows it at any time.
 */

export type RoundPhase = 'prepare' | 'inner' | 'update'

export interface Rounds {
  /** Before the first update. */
  prepare: number
  /** Before each update, and then undone. */
  inner: number
  updates: number
}

export interface Round {
  phase: RoundPhase
  /** Of the update that it belongs to, from 0 on. */
  update: number
  /** Is it the first, or the last, of its phase for this update? */
  isFirst: boolean
  isLast: boolean
}

export function roundsOf(job: StepJob): Rounds {
  const { prepare, inner } = methodOf(job.method.name)
  const { steps, batchSize } = job.training
  return { prepare: prepare?.rounds(job.method as never, batchSize) ?? 0, inner: inner?.rounds(job.method as never) ?? 0, updates: steps }
}

export const totalRounds = ({ prepare, inner, updates }: Rounds): number => prepare + updates * (inner + 1)

/** What round number `index`, from 0 on, is for. */
export function roundAt({ prepare, inner }: Rounds, index: number): Round {
  if (index < prepare) return { phase: 'prepare', update: 0, isFirst: index === 0, isLast: index === prepare - 1 }
  const update = Math.floor((index - prepare) / (inner + 1))
  const place = (index - prepare) % (inner + 1)
  if (place < inner) return { phase: 'inner', update, isFirst: place === 0, isLast: place === inner - 1 }
  return { phase: 'update', update, isFirst: true, isLast: true }
}

/** Channels that are computed in a phase; the others are zero. */
export function channelsIn(method: StepJob['method'], phase: RoundPhase): readonly string[] {
  const { channels, prepare, inner } = methodOf(method.name)
  if (phase === 'update') return channels
  const channel = phase === 'prepare' ? prepare?.channel : inner?.channel
  return channel === undefined ? [] : [channel]
}
