import { createHash } from 'node:crypto'

/*
 * Which fault comes when, as a pure function of the seed: drawn by key, so that one round replays without those before it.
 */

export const faultKinds = [
  'worker killed',
  'worker paused',
  'worker joins',
  'worker leaves',
  'leader killed',
  'leader paused',
  'nats killed',
  'nats paused',
] as const
export type FaultKind = (typeof faultKinds)[number]

export interface Fault {
  kind: FaultKind
  /** Since the one before has passed, or has begun where it overlaps. */
  gapMs: number
  /** Of a pause, or until a server is started again; 0 for others. */
  durationMs: number
  /** In [0, 1): which of the workers. */
  target: number
  /** The next fault does not wait until this one has passed. */
  overlaps: boolean
  /** It may take the last worker: then the run waits for another one, and may have to go back to a checkpoint. */
  mayTakeLast: boolean
}

/** Shares of the kinds; deaths of workers and leaders are what the promises are about. */
const weights: Record<FaultKind, number> = {
  'worker killed': 4,
  'worker paused': 2,
  'worker joins': 1,
  'worker leaves': 2,
  'leader killed': 3,
  'leader paused': 2,
  'nats killed': 2,
  'nats paused': 1,
}

const durationsMs: Partial<Record<FaultKind, readonly [number, number]>> = {
  'worker paused': [500, 8000],
  'leader paused': [2000, 10_000],
  'nats killed': [0, 3000],
  'nats paused': [1000, 5000],
}

const gapsMs = [300, 5000] as const
/** Longer than what a fault leaves behind. */
const settleMs = 3000
const overlapShare = 0.2
const lastShare = 0.2
const auditedShare = 0.3

/** A number in [0, 1) for each name. */
export function draw(...key: readonly (string | number)[]): number {
  return createHash('sha256').update(key.join(' ')).digest().readUInt32BE() / 2 ** 32
}

const between = ([low, high]: readonly [number, number], share: number) => Math.round(low + (high - low) * share)

/** Fault number `index` of a round. */
export function faultOf(seed: string, round: number, index: number): Fault {
  const of = (what: string) => draw(seed, round, index, what)
  const total = faultKinds.reduce((sum, kind) => sum + weights[kind], 0)
  const at = of('kind') * total
  const kind = faultKinds.find((_, i) => at < faultKinds.slice(0, i + 1).reduce((sum, one) => sum + weights[one], 0)) ?? faultKinds[0]
  return {
    kind,
    gapMs: between(gapsMs, of('gap')),
    durationMs: between(durationsMs[kind] ?? [0, 0], of('duration')),
    target: of('target'),
    overlaps: of('overlaps') < overlapShare,
    mayTakeLast: of('last') < lastShare,
  }
}

/** The same, of this kind, and so that it is alone. */
export function loneFaultOf(seed: string, round: number, index: number, kind: FaultKind, durationMs: number): Fault {
  const drawn = faultOf(seed, round, index)
  return { ...drawn, kind, durationMs, gapMs: settleMs + drawn.gapMs / 4, overlaps: false, mayTakeLast: false }
}

/** How many workers a round begins with. */
export const workersOf = (seed: string, round: number) => 2 + Math.floor(2 * draw(seed, round, 'workers'))

/** Every so many steps of a round all gradients are computed twice; 0 for never. */
export const auditEveryOf = (seed: string, round: number) => (draw(seed, round, 'audit') < auditedShare ? 4 : 0)
