import { blockElements, channelPairs, sumProducts } from '../../protocol/blocks.ts'
import type { Slice } from '../../protocol/messages.ts'
import type { Range } from '../planner.ts'
import { clippedCoefficients } from './direction.ts'
import type { ReceivedTerms, Reducer, ReducerOptions, Reduction, RoundPlan } from './reducer.ts'
import { checkLoss, Round, unasked } from './round.ts'

interface ShardedRound extends Round {
  /** Inner products of the blocks of each slice, by owner. */
  products: Map<string, readonly number[]>
}

/**
 * Workers own slices of the parameters and sum them among themselves; here only float64 inner products arrive, and coefficients leave.
 * Products are added block after block, as the central reducer does, so that both give the same bits.
 */
export class ShardedReducer implements Reducer {
  readonly #options: ReducerOptions
  #round: ShardedRound | null = null
  #late = 0

  constructor(options: ReducerOptions) {
    this.#options = options
  }

  get late(): number {
    return this.#late
  }

  begin(plan: RoundPlan): Promise<Reduction | null> {
    this.#round?.end(null)
    return new Promise((resolve) => {
      const { method, microBatches, onDelivered } = this.#options
      const round = new Round(plan, method.channels, microBatches, { end: resolve, onDelivered })
      this.#round = Object.assign(round, { products: new Map<string, readonly number[]>() })
    })
  }

  assist(epoch: number, ranges: readonly Range[]): void {
    if (this.#round?.plan.epoch === epoch) this.#round.assign(ranges)
  }

  /** @throws LetheError CONNECTION_FRAME for what the worker was not asked for; COMPUTE_NOT_FINITE for a loss that is not finite. */
  computed({ worker, epoch, step, computeMs, terms }: ReceivedTerms): void {
    const round = this.#round
    if (round === null || !round.isOf(epoch, step)) {
      this.#late += terms.length
      return
    }
    for (const { channel, level, index, loss } of terms) {
      const node = { level, index }
      const { isCovered } = round.check(worker, channel, node)
      checkLoss(channel, step, loss)
      if (isCovered) this.#late += 1
      else round.losses.get(channel)?.put(node, loss)
      round.take(worker, channel, node, computeMs)
    }
    this.#endIfComplete(round)
  }

  /** An owner has summed its slice. @throws LetheError CONNECTION_FRAME for one that owns none, or other blocks. */
  sliced(worker: string, { epoch, step, products }: { epoch: number; step: number; products: readonly number[] }): void {
    const round = this.#round
    if (round === null || !round.isOf(epoch, step)) {
      this.#late += 1
      return
    }
    const slice = round.plan.slices?.find((one) => one.worker === worker)
    if (slice === undefined) throw unasked(worker, step, 'a slice')
    if (products.length !== blocksOf(slice) * channelPairs(this.#options.method.channels.length).length)
      throw unasked(worker, step, `${products.length} inner products`)
    round.products.set(worker, products)
    this.#endIfComplete(round)
  }

  #endIfComplete(round: ShardedRound): void {
    const losses = round.lossesOrNull()
    const slices = round.plan.slices ?? []
    if (losses === null || slices.some(({ worker }) => !round.products.has(worker))) return
    this.#round = null
    round.end(this.#reduce(round, losses, slices))
  }

  async #reduce(round: ShardedRound, losses: Record<string, number>, slices: readonly Slice[]): Promise<Reduction> {
    const { method, methodOptions, clipNorm, phaseOf } = this.#options
    const { epoch, step } = round.plan
    const products = slices.flatMap(({ worker }) => [...(round.products.get(worker) ?? [])])
    const scalars = sumProducts(products, method.channels)
    const { coefficients, norm } = clippedCoefficients(method, methodOptions, scalars, clipNorm, { step, phase: phaseOf?.(step) })
    return {
      epoch,
      step,
      losses,
      norms: Object.fromEntries(method.channels.map((channel) => [channel, Math.sqrt(scalars[channel][channel])])),
      updateNorm: norm,
      coefficients,
      direction: null,
    }
  }
}

const blocksOf = ({ start, end }: Slice) => Math.ceil((end - start) / blockElements)
