import { sha256 } from '../../protocol/digest.ts'
import { LetheError } from '../../protocol/errors.ts'
import type {
  CoordinatorMessage,
  MeshBulk,
  MeshMessage,
  SessionSummary,
  Slice,
  StepFigures,
  Unsent,
  WireEncoding,
  WorkerBulk,
  WorkerMessage,
} from '../../protocol/messages.ts'
import { TensorEncoder } from '../../protocol/wire.ts'
import { Exchange } from '../exchange/exchange.ts'
import type { Partial } from '../session.ts'

/** Micro-batches [start, end) of a step, computed for a plan. */
export interface Computed {
  epoch: number
  step: number
  start: number
  end: number
  computeMs: number
  partials: readonly Partial[]
  /** The step is over, or planned anew. */
  signal: AbortSignal
}

/** A direction and what else its step gave, where that is known. */
export interface Direction {
  values: Float32Array
  figures: StepFigures | null
}

export const bytesOf = (values: Float32Array) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength)

/** Of the float32 values of one partial, whatever they are rounded to on the wire. */
export const gradientDigest = ({ gradient }: Partial) => sha256(bytesOf(gradient))

export interface CentralOptions {
  runId: string
  parameterCount: number
  encoding: WireEncoding
  sendBulk(message: Unsent<WorkerBulk>, payload: Uint8Array): Promise<void>
}

/** Whole partials go to the coordinator. */
export class CentralDelivery {
  readonly #options: CentralOptions
  /** By channel: what rounding took is kept. */
  readonly #encoders = new Map<string, TensorEncoder>()

  constructor(options: CentralOptions) {
    this.#options = options
  }

  async deliver({ epoch, step, computeMs, partials, signal }: Computed): Promise<void> {
    const { runId, encoding, sendBulk } = this.#options
    for (const { channel, node, loss, gradient } of partials) {
      if (signal.aborted) return
      const payload = await this.#encoder(channel).encode(gradient)
      await sendBulk({ type: 'partial', runId, epoch, step, channel, ...node, loss, encoding, computeMs }, payload)
    }
  }

  #encoder(channel: string): TensorEncoder {
    const { parameterCount, encoding } = this.#options
    const encoder = this.#encoders.get(channel) ?? new TensorEncoder(parameterCount, encoding)
    this.#encoders.set(channel, encoder)
    return encoder
  }
}

export interface ShardedOptions {
  self: string
  runId: string
  summary: SessionSummary
  encoding: WireEncoding
  send(to: string, message: MeshMessage, payload: Uint8Array): Promise<void>
  report(message: WorkerMessage): void
  onError(error: LetheError): void
}

type Combine = Extract<CoordinatorMessage, { type: 'combine' }>
type Apply = Extract<CoordinatorMessage, { type: 'apply' }>

interface Gathered {
  epoch: number
  step: number
  values: Float32Array
}

/** Each owner gets its slice of every partial; the direction comes back in shares. */
export class ShardedDelivery {
  readonly #options: ShardedOptions
  readonly #exchange: Exchange
  #combined: Combine | null = null
  /** Taken out of the exchange when it is whole: the plan of the next step may come before the word to apply this one. */
  #gathered: Gathered[] = []

  constructor(options: ShardedOptions) {
    this.#options = options
    const { self, runId, summary, encoding, send, report, onError } = options
    const { parameterCount, channels, microBatches } = summary
    this.#exchange = new Exchange({
      ...{ self, runId, parameterCount, channels, microBatches, encoding, send, onError },
      report: (message) => {
        if (message.type === 'gathered') this.#keep(message.epoch, message.step)
        report(message)
      },
    })
  }

  begin(epoch: number, step: number, slices: readonly Slice[]): void {
    this.#gathered = this.#gathered.filter((one) => one.step < step)
    this.#exchange.begin(epoch, step, slices)
  }

  /** Tells first: what it says is small, and the coordinator plans with it. */
  async deliver({ partials, signal: _, ...computed }: Computed): Promise<void> {
    const terms = partials.map((partial) => ({
      channel: partial.channel,
      ...partial.node,
      loss: partial.loss,
      sha256: gradientDigest(partial),
    }))
    this.#options.report({ type: 'computed', ...computed, terms })
    await this.#exchange.contribute(partials)
  }

  /** @throws LetheError CONNECTION_FRAME for what nobody was asked for. */
  accept(from: string, message: MeshBulk, payload: Uint8Array): void {
    this.#exchange.accept(from, message, payload)
  }

  /** Bytes that a transfer may have. */
  limit(message: MeshBulk): number {
    return this.#exchange.limit(message)
  }

  /** Told to every worker, for its figures; those that own nothing have nothing to combine. */
  async combine(message: Combine): Promise<void> {
    this.#combined = message
    await this.#exchange.combine(message)
  }

  /** @throws LetheError CONNECTION_FRAME where this worker has not said that it has the direction. */
  take({ epoch, step }: Apply): Direction {
    const gathered = this.#gathered.find((one) => one.epoch === epoch && one.step === step)
    if (!gathered) throw new LetheError('CONNECTION_FRAME', { message: `The direction of step ${step} is to be applied before it is here` })
    this.#gathered = this.#gathered.filter((one) => one !== gathered)
    const isKnown = this.#combined?.epoch === epoch && this.#combined.step === step
    return { values: gathered.values, figures: isKnown ? (this.#combined as Combine).figures : null }
  }

  get late(): number {
    return this.#exchange.late
  }

  #keep(epoch: number, step: number): void {
    const values = this.#exchange.direction(epoch, step)
    if (!values) throw new LetheError('INTERNAL', { message: `the direction of step ${step} was told to be here, but is not` })
    this.#gathered.push({ epoch, step, values })
  }
}
