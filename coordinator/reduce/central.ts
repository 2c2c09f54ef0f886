import { TreeSum } from '../../protocol/tree.ts'
import type { Range } from '../planner.ts'
import { addSlices, clippedCoefficients, combine, scalarsOf } from './direction.ts'
import type { ReceivedPartial, Reducer, ReducerOptions, Reduction, RoundPlan } from './reducer.ts'
import { checkLoss, Round, unasked } from './round.ts'

interface CentralRound extends Round {
  gradients: Map<string, TreeSum<Float32Array>>
  /** Additions in the order in which they were asked for: the tree hands out sums that hold only after this. */
  added: Promise<void>
}

/** Finishes the tree in the coordinator: for models whose gradients fit into its memory a few times. */
export class CentralReducer implements Reducer {
  readonly #options: ReducerOptions
  #round: CentralRound | null = null
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
      const round = Object.assign(new Round(plan, method.channels, microBatches, { end: resolve, onDelivered }), {
        gradients: new Map<string, TreeSum<Float32Array>>(),
        added: Promise.resolve(),
      })
      for (const channel of method.channels) {
        const sum = new TreeSum<Float32Array>(microBatches, (left, right) => {
          round.added = round.added.then(() => addSlices(left, right))
          return left
        })
        round.gradients.set(channel, sum)
      }
      this.#round = round
    })
  }

  assist(epoch: number, ranges: readonly Range[]): void {
    if (this.#round?.plan.epoch === epoch) this.#round.assign(ranges)
  }

  /**
   * @returns false for a late partial, which is dropped.
   * @throws LetheError CONNECTION_FRAME for a partial that the worker was not asked for; COMPUTE_NOT_FINITE for a loss that is not finite.
   */
  accept(partial: ReceivedPartial): boolean {
    const round = this.#round
    if (round === null || !round.isOf(partial.epoch, partial.step)) {
      this.#late += 1
      return false
    }
    const { worker, channel, node, loss, gradient } = partial
    const { isCovered } = round.check(worker, channel, node)
    if (gradient.length !== this.#options.parameterCount) throw unasked(worker, partial.step, `${gradient.length} elements`)
    checkLoss(channel, partial.step, loss)
    if (isCovered) {
      this.#late += 1
    } else {
      round.losses.get(channel)?.put(node, loss)
      round.gradients.get(channel)?.put(node, gradient)
    }
    round.take(worker, channel, node, partial.computeMs)
    const losses = round.lossesOrNull()
    if (losses !== null) {
      this.#round = null
      round.end(this.#reduce(round, losses))
    }
    return !isCovered
  }

  async #reduce(round: CentralRound, losses: Record<string, number>): Promise<Reduction> {
    await round.added
    const { method, methodOptions, clipNorm, phaseOf } = this.#options
    const { epoch, step } = round.plan
    const roots = [...round.gradients].map(([channel, sum]) => [channel, sum.root() as Float32Array] as const)
    const gradients = new Map(roots)
    const scalars = await scalarsOf(gradients)
    const { coefficients, norm } = clippedCoefficients(method, methodOptions, scalars, clipNorm, { step, phase: phaseOf?.(step) })
    return {
      epoch,
      step,
      losses,
      norms: Object.fromEntries([...gradients.keys()].map((channel) => [channel, Math.sqrt(scalars[channel][channel])])),
      updateNorm: norm,
      coefficients,
      direction: await combine(gradients, coefficients),
    }
  }
}
