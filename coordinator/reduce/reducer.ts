import type { NodeDigest, Slice } from '../../protocol/messages.ts'
import type { Method } from '../../protocol/method.ts'
import type { RoundPhase } from '../../protocol/rounds.ts'
import type { TreeNode } from '../../protocol/tree.ts'
import type { Range } from '../planner.ts'

export interface ReducerOptions {
  parameterCount: number
  microBatches: number
  method: Method
  methodOptions: object
  clipNorm: number
  /** What the round of a step is for; an update, where it is not given. */
  phaseOf?(step: number): RoundPhase
  /** All of a worker's range has arrived. */
  onDelivered(part: Delivered): void
}

export interface Delivered extends Range {
  epoch: number
  computeMs: number
}

export interface RoundPlan {
  epoch: number
  step: number
  ranges: readonly Range[]
  /** Who sums what; null in the central reducer. */
  slices: readonly Slice[] | null
}

export interface Reduction {
  epoch: number
  step: number
  /** Of each channel, summed in float64 in the order of the tree. */
  losses: Record<string, number>
  norms: Record<string, number>
  /** Norm of the combined direction before it is clipped. */
  updateNorm: number
  /** Clipped. */
  coefficients: Record<string, number>
  /** Σ coefficient · gradient over channels: float32, all parameters. Null where its owners make it. */
  direction: Float32Array | null
}

/** The sum of one channel over one complete subtree of micro-batches, as it came from a worker. */
export interface ReceivedPartial {
  worker: string
  epoch: number
  step: number
  channel: string
  node: TreeNode
  loss: number
  gradient: Float32Array
  computeMs: number
}

/** Sharded: what a worker computed of a range, while its pieces go to the owners. */
export interface ReceivedTerms {
  worker: string
  epoch: number
  step: number
  start: number
  end: number
  computeMs: number
  terms: readonly (NodeDigest & { loss: number })[]
}

/** Turns what workers computed into one direction. Same bits for any plan and any order of arrival. */
export interface Reducer {
  /** Starts a step under a new epoch; what belongs to older epochs is late from now on. Null where another epoch took its place. */
  begin(plan: RoundPlan): Promise<Reduction | null>
  /** More hands for ranges of the present epoch. The first answer to each micro-batch counts. */
  assist(epoch: number, ranges: readonly Range[]): void
  /** Parts that were dropped: their epoch was over, or another worker was first. */
  readonly late: number
}
