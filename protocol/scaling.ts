/*
 * Is it worth it to spread one step over N machines? Pure arithmetic: S = T_c / (T_c·share + T_comm), where T_c is the time of a whole step
 * on one worker, `share` what the busiest of N workers computes of it, and T_comm the time in which gradients and directions travel.
 * Running N whole jobs side by side always gives N.
 */

export type ReducerName = 'central' | 'sharded'

/** What travels in a step. */
export interface StepTraffic {
  parameterCount: number
  /** Gradients that are reduced separately: 2 for SISS, 1 for most methods. */
  channels: number
  /** Of one element of a gradient, and of the direction that comes back. */
  gradientBytes: number
  directionBytes: number
}

/** How a step is cut for N workers. */
export interface Split {
  /** Partial sums that each worker sends, per channel: more than 1 where its range is no complete subtree. */
  partials: readonly number[]
  /** Of the micro-batches of a step, what the busiest worker computes. */
  largestShare: number
}

export interface Link {
  /** In one direction, both at once. */
  bytesPerSecond: number
  /** One way. */
  latencyMs: number
}

export interface Cost {
  /** Of the worker that sends and of the one that receives most. */
  sentBytes: number
  receivedBytes: number
  /** At the busiest point: the coordinator where it reduces, else a worker. */
  busiestInBytes: number
  busiestOutBytes: number
  communicationMs: number
}

export interface Scaling extends Cost {
  reducer: ReducerName
  workers: number
  stepMs: number
  speedup: number
  isWorthwhile: boolean
}

/** Below this, run whole jobs side by side. */
export const worthwhileSpeedup = 1.2

/** Share of a line rate that payload gets over TCP. */
export const lineShare = 0.94

/** Messages that follow one another. Central: partial, direction. Sharded: piece, sliced, combine, share, gathered, apply. */
const hops: Record<ReducerName, number> = { central: 2, sharded: 6 }

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0)

/** A step cut into equal complete subtrees. */
export function evenSplit(workers: number): Split {
  return { partials: Array.from({ length: workers }, () => 1), largestShare: 1 / workers }
}

export function costOf(reducer: ReducerName, traffic: StepTraffic, { partials }: Split, link: Link): Cost {
  const gradient = traffic.channels * traffic.parameterCount * traffic.gradientBytes
  const direction = traffic.parameterCount * traffic.directionBytes
  const latencyMs = hops[reducer] * link.latencyMs
  const ms = (bytes: number) => (1000 * bytes) / link.bytesPerSecond + latencyMs
  const most = Math.max(...partials)
  const all = sum(partials)
  const workers = partials.length
  if (reducer === 'central') {
    const [busiestInBytes, busiestOutBytes] = [all * gradient, workers * direction]
    // No direction leaves before the last partial is in: one after the other.
    const communicationMs = ms(busiestInBytes + busiestOutBytes)
    return { sentBytes: most * gradient, receivedBytes: direction, busiestInBytes, busiestOutBytes, communicationMs }
  }
  const others = (workers - 1) / workers
  const sentBytes = others * (most * gradient + direction)
  // An owner gets the pieces of its slice from all but itself.
  const receivedBytes = ((all - Math.min(...partials)) / workers) * gradient + others * direction
  const communicationMs = workers === 1 ? latencyMs : ms(Math.max(sentBytes, receivedBytes))
  return { sentBytes, receivedBytes, busiestInBytes: receivedBytes, busiestOutBytes: sentBytes, communicationMs }
}

/** `computeMs` is the time of all micro-batches of a step on one worker. */
export function scalingOf(reducer: ReducerName, traffic: StepTraffic, split: Split, link: Link, computeMs: number): Scaling {
  const cost = costOf(reducer, traffic, split, link)
  const stepMs = computeMs * split.largestShare + cost.communicationMs
  const speedup = computeMs / stepMs
  return { reducer, workers: split.partials.length, ...cost, stepMs, speedup, isWorthwhile: speedup >= worthwhileSpeedup }
}

/** Parameters up to which one process reduces for all: its memory and its network hold a few copies. */
const centralParameters = 100_000_000

/** What `reducer: auto` stands for. */
export function chooseReducer({ parameterCount, channels, workers }: { parameterCount: number; channels: number; workers: number }): {
  reducer: ReducerName
  reason: string
} {
  const millions = `${Number((parameterCount / 1e6).toPrecision(3))} M parameters`
  if (workers < 2) return { reducer: 'central', reason: 'one worker has nobody to share with' }
  if (parameterCount <= centralParameters)
    return { reducer: 'central', reason: `${millions}: up to ${centralParameters / 1e6} M the coordinator reduces, which is simplest` }
  const gigabytes = Number(((workers * channels * parameterCount * 4) / 1e9).toPrecision(2))
  return { reducer: 'sharded', reason: `${millions}: ${gigabytes} GB of gradients a step would go through the coordinator` }
}
