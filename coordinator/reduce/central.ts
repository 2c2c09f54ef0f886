import { LetheError } from '../../protocol/errors.ts'
import type { Method } from '../../protocol/method.ts'
import { leavesOf, TreeSum } from '../../protocol/tree.ts'
import type { Range } from '../planner.ts'
import { addSlices, clippedCoefficients, combine, scalarsOf } from './direction.ts'
import type { ReceivedPartial, Reducer, Reduction } from './reducer.ts'

export interface CentralOptions {
  parameterCount: number
  microBatches: number
  method: Method
  methodOptions: object
  clipNorm: number
}

interface ChannelSum {
  loss: TreeSum<number>
  gradient: TreeSum<Float32Array>
}

interface Round {
  epoch: number
  step: number
  ranges: readonly Range[]
  channels: Map<string, ChannelSum>
  /** Additions in the order in which they were asked for: the tree hands out sums that hold only after this. */
  added: Promise<void>
  computeMs: Record<string, number>
  /** Micro-batches that each worker still owes, over all channels. */
  owed: Map<string, number>
  end(result: Promise<Reduction> | null): void
}

/** Finishes the tree in the coordinator: for models whose gradients fit into its memory a few times. */
export class CentralReducer implements Reducer {
  readonly #options: CentralOptions
  #round: Round | null = null
  #late = 0

  constructor(options: CentralOptions) {
    this.#options = options
  }

  get late(): number {
    return this.#late
  }

  begin(epoch: number, step: number, ranges: readonly Range[]): Promise<Reduction | null> {
    this.#round?.end(null)
    return new Promise((resolve) => {
      const { channels } = this.#options.method
      const owed = new Map(ranges.map(({ worker, start, end }) => [worker, channels.length * (end - start)]))
      const round: Round = { epoch, step, ranges, channels: new Map(), added: Promise.resolve(), computeMs: {}, owed, end: resolve }
      for (const channel of channels) round.channels.set(channel, this.#channelSum(round))
      this.#round = round
    })
  }

  #channelSum(round: Round): ChannelSum {
    return {
      loss: new TreeSum<number>(this.#options.microBatches, (left, right) => left + right),
      gradient: new TreeSum<Float32Array>(this.#options.microBatches, (left, right) => {
        round.added = round.added.then(() => addSlices(left, right))
        return left
      }),
    }
  }

  awaits(worker: string): boolean {
    return (this.#round?.owed.get(worker) ?? 0) > 0
  }

  accept(partial: ReceivedPartial): boolean {
    const round = this.#round
    if (round === null || partial.epoch !== round.epoch || partial.step !== round.step) {
      this.#late += 1
      return false
    }
    const sums = round.channels.get(partial.channel)
    if (sums === undefined) throw unasked(partial, `channel ${partial.channel}`)
    const { start, end } = leavesOf(partial.node, this.#options.microBatches)
    if (!round.ranges.some((range) => range.worker === partial.worker && range.start <= start && end <= range.end))
      throw unasked(partial, `micro-batches ${start} to ${end - 1}`)
    if (partial.gradient.length !== this.#options.parameterCount) throw unasked(partial, `${partial.gradient.length} elements`)
    if (!Number.isFinite(partial.loss))
      throw new LetheError('COMPUTE_NOT_FINITE', {
        message: `The loss of channel ${partial.channel} is ${partial.loss} in step ${partial.step}`,
      })
    try {
      sums.loss.put(partial.node, partial.loss)
      sums.gradient.put(partial.node, partial.gradient)
    } catch (cause) {
      throw new LetheError('CONNECTION_FRAME', { message: `${partial.worker} sent a partial that does not fit`, cause })
    }
    round.computeMs[partial.worker] = partial.computeMs
    round.owed.set(partial.worker, (round.owed.get(partial.worker) ?? 0) - (end - start))
    if ([...round.channels.values()].every(({ gradient }) => gradient.root() !== undefined)) {
      this.#round = null
      round.end(this.#reduce(round))
    }
    return true
  }

  async #reduce(round: Round): Promise<Reduction> {
    await round.added
    const { method, methodOptions, clipNorm } = this.#options
    const roots = [...round.channels].map(([channel, sums]) => [channel, sums.gradient.root() as Float32Array] as const)
    const gradients = new Map(roots)
    const scalars = await scalarsOf(gradients)
    const { coefficients, norm } = clippedCoefficients(method, methodOptions, scalars, clipNorm)
    return {
      epoch: round.epoch,
      step: round.step,
      losses: Object.fromEntries([...round.channels].map(([channel, { loss }]) => [channel, loss.root() as number])),
      norms: Object.fromEntries([...gradients.keys()].map((channel) => [channel, Math.sqrt(scalars[channel][channel])])),
      updateNorm: norm,
      computeMs: round.computeMs,
      direction: await combine(gradients, coefficients),
    }
  }
}

function unasked({ worker, step }: ReceivedPartial, what: string): LetheError {
  return new LetheError('CONNECTION_FRAME', { message: `${worker} sent a partial of step ${step} that it was not asked for: ${what}` })
}
