import type { Range } from '../../coordinator/planner.ts'
import type { Delivered, RoundPlan } from '../../coordinator/reduce/reducer.ts'
import { Round } from '../../coordinator/reduce/round.ts'
import { combineInPlace } from '../../protocol/blocks.ts'
import type { WorkerMessage } from '../../protocol/messages.ts'
import { addInPlace, type TreeSum } from '../../protocol/tree.ts'
import type { Flaw } from './flaws.ts'
import { type ModelJob, methodOf, type Partial, productsOf, type Reduced, reduceProducts } from './model.ts'
import { sumOf } from './sums.ts'

export interface Reduction extends Reduced {
  epoch: number
  step: number
  direction: Float32Array | null
}

type MessageOf<Type extends WorkerMessage['type']> = Extract<WorkerMessage, { type: Type }>

interface ReductionOptions {
  job: ModelJob
  flaw: Flaw
  onDelivered(part: Delivered): void
  onReduced(reduction: Reduction): void
}

/** Both reducers of the product without their promises, around the same `Round`. */
export class ModelReducer {
  readonly #options: ReductionOptions
  #round: Round | null = null
  #gradients = new Map<string, TreeSum<Float32Array>>()
  #products = new Map<string, readonly number[]>()
  late = 0

  constructor(options: ReductionOptions) {
    this.#options = options
  }

  begin(plan: RoundPlan): void {
    const { job, flaw, onDelivered } = this.#options
    const { channels } = methodOf(job)
    this.#round = new Round(plan, channels, job.microBatches, { end() {}, onDelivered })
    this.#gradients = new Map(channels.map((channel) => [channel, sumOf(flaw, job.microBatches, addInPlace)]))
    this.#products = new Map()
  }

  assist(epoch: number, ranges: readonly Range[]): void {
    if (this.#round?.plan.epoch === epoch) this.#round.assign(ranges)
  }

  #isPresent(round: Round | null, epoch: number, step: number): round is Round {
    if (round === null) return false
    return round.isOf(epoch, step) || (this.#options.flaw === 'takesOldEpochs' && round.plan.step === step)
  }

  /** @throws LetheError CONNECTION_FRAME for what the worker was not asked for. */
  accept(worker: string, { epoch, step }: { epoch: number; step: number }, partial: Partial, computeMs: number): void {
    const round = this.#round
    if (!this.#isPresent(round, epoch, step)) {
      this.late += 1
      return
    }
    const { channel, node, loss, gradient } = partial
    const { isCovered } = round.check(worker, channel, node)
    if (isCovered) this.late += 1
    if (!isCovered) round.losses.get(channel)?.put(node, loss)
    if (!isCovered || this.#options.flaw === 'countsTwice') this.#gradients.get(channel)?.put(node, gradient)
    round.take(worker, channel, node, computeMs)
    const losses = round.lossesOrNull()
    if (losses === null) return
    this.#round = null
    const { job } = this.#options
    const roots = [...this.#gradients.values()].map((sum) => sum.root() as Float32Array)
    const reduced = reduceProducts(job, productsOf(roots, job.perBlock), losses)
    const factors = methodOf(job).channels.map((one) => reduced.coefficients[one])
    this.#options.onReduced({ ...reduced, epoch: round.plan.epoch, step, direction: combineInPlace(roots, factors) })
  }

  /** @throws LetheError CONNECTION_FRAME for what the worker was not asked for. */
  computed(worker: string, { epoch, step, computeMs, terms }: MessageOf<'computed'>): void {
    const round = this.#round
    if (!this.#isPresent(round, epoch, step)) {
      this.late += terms.length
      return
    }
    for (const { channel, level, index, loss } of terms) {
      const { isCovered } = round.check(worker, channel, { level, index })
      if (isCovered) this.late += 1
      else round.losses.get(channel)?.put({ level, index }, loss)
      round.take(worker, channel, { level, index }, computeMs)
    }
    this.#endIfComplete(round)
  }

  sliced(worker: string, { epoch, step, products }: MessageOf<'sliced'>): void {
    const round = this.#round
    if (!this.#isPresent(round, epoch, step)) {
      this.late += 1
      return
    }
    if (!round.plan.slices?.some((slice) => slice.worker === worker)) throw new RangeError(`${worker} sent a slice that is not its own`)
    this.#products.set(worker, products)
    this.#endIfComplete(round)
  }

  #endIfComplete(round: Round): void {
    const losses = round.lossesOrNull()
    const slices = round.plan.slices ?? []
    if (losses === null || slices.some(({ worker }) => !this.#products.has(worker))) return
    this.#round = null
    const products = slices.flatMap(({ worker }) => [...(this.#products.get(worker) ?? [])])
    const { epoch, step } = round.plan
    this.#options.onReduced({ ...reduceProducts(this.#options.job, products, losses), epoch, step, direction: null })
  }
}
