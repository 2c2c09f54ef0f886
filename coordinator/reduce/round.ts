import { LetheError } from '../../protocol/errors.ts'
import { leavesOf, subtrees, type TreeNode, TreeSum } from '../../protocol/tree.ts'
import type { Range } from '../planner.ts'
import type { Delivered, Reduction, RoundPlan } from './reducer.ts'

interface RoundPart extends Range {
  /** Nodes that have not arrived. */
  owed: Set<string>
}

const nameOf = (channel: string, { level, index }: TreeNode) => `${level} ${index} ${channel}`

/** What both reducers keep of the step at hand: who owes which micro-batches, and the sums of the losses. */
export class Round {
  readonly plan: RoundPlan
  readonly losses: Map<string, TreeSum<number>>
  readonly end: (result: Promise<Reduction> | null) => void
  readonly #microBatches: number
  readonly #parts = new Map<string, RoundPart[]>()
  readonly #onDelivered: (part: Delivered) => void

  constructor(
    plan: RoundPlan,
    channels: readonly string[],
    microBatches: number,
    events: { end(result: Promise<Reduction> | null): void; onDelivered(part: Delivered): void },
  ) {
    this.plan = plan
    this.end = events.end
    this.#microBatches = microBatches
    this.#onDelivered = events.onDelivered
    this.losses = new Map(channels.map((channel) => [channel, new TreeSum(microBatches, (left, right) => left + right)]))
    this.assign(plan.ranges)
  }

  assign(ranges: readonly Range[]): void {
    for (const range of ranges) {
      const parts = this.#parts.get(range.worker) ?? []
      const nodes = subtrees(range.start, range.end, this.#microBatches)
      const owed = new Set([...this.losses.keys()].flatMap((channel) => nodes.map((node) => nameOf(channel, node))))
      parts.push({ ...range, owed })
      this.#parts.set(range.worker, parts)
    }
  }

  isOf(epoch: number, step: number): boolean {
    return this.plan.epoch === epoch && this.plan.step === step
  }

  /** @throws LetheError CONNECTION_FRAME where the worker was not asked for the node, or has sent it. */
  check(worker: string, channel: string, node: TreeNode): { isCovered: boolean } {
    if (!this.#partOf(worker, channel, node)) throw unasked(worker, this.plan.step, `node ${node.index} of level ${node.level}`)
    const { start, end } = leavesOf(node, this.#microBatches)
    return { isCovered: this.losses.get(channel)?.covers(start, end) ?? false }
  }

  /** Books a node, whether it was the first of its kind or not. */
  take(worker: string, channel: string, node: TreeNode, computeMs: number): void {
    const part = this.#partOf(worker, channel, node)
    if (!part) return
    part.owed.delete(nameOf(channel, node))
    if (part.owed.size === 0) this.#onDelivered({ epoch: this.plan.epoch, worker, start: part.start, end: part.end, computeMs })
  }

  #partOf(worker: string, channel: string, node: TreeNode): RoundPart | undefined {
    const name = nameOf(channel, node)
    return this.#parts.get(worker)?.find(({ owed }) => owed.has(name))
  }

  lossesOrNull(): Record<string, number> | null {
    const entries = [...this.losses].map(([channel, sum]) => [channel, sum.root()] as const)
    if (entries.some(([, root]) => root === undefined)) return null
    return Object.fromEntries(entries) as Record<string, number>
  }
}

export function checkLoss(channel: string, step: number, loss: number): void {
  if (Number.isFinite(loss)) return
  throw new LetheError('COMPUTE_NOT_FINITE', { message: `The loss of channel ${channel} is ${loss} in step ${step}` })
}

export function unasked(worker: string, step: number, what: string): LetheError {
  return new LetheError('CONNECTION_FRAME', { message: `${worker} sent something of step ${step} that it was not asked for: ${what}` })
}
