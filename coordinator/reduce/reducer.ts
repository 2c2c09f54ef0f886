import type { TreeNode } from '../../protocol/tree.ts'
import type { Range } from '../planner.ts'

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

export interface Reduction {
  epoch: number
  step: number
  /** Of each channel, summed in float64 in the order of the tree. */
  losses: Record<string, number>
  norms: Record<string, number>
  /** Norm of the combined direction before it is clipped. */
  updateNorm: number
  /** Time each worker needed for its whole range. */
  computeMs: Record<string, number>
  /** Σ coefficient · gradient over channels, clipped: float32, all parameters. */
  direction: Float32Array
}

/** Turns the partials of a step into one direction. Same bits for any plan and any order of arrival. */
export interface Reducer {
  /** Starts a step under a new epoch; partials of older epochs are late from now on. Null where another epoch took its place. */
  begin(epoch: number, step: number, ranges: readonly Range[]): Promise<Reduction | null>
  /**
   * @returns false for a late partial, which is dropped.
   * @throws LetheError CONNECTION_FRAME for a partial that the worker was not asked for; COMPUTE_NOT_FINITE for a loss that is not finite.
   */
  accept(partial: ReceivedPartial): boolean
  /** Are partials of this worker missing in the step that is reduced? */
  awaits(worker: string): boolean
  /** Partials dropped because their epoch was over. */
  readonly late: number
}
