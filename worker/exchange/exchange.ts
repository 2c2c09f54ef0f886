import { createHash } from 'node:crypto'
import { setImmediate as breathe } from 'node:timers/promises'
import { blockElements, chunkElements, chunksOf, combineInPlace } from '../../protocol/blocks.ts'
import { LetheError } from '../../protocol/errors.ts'
import type { CoordinatorMessage, MeshBulk, MeshMessage, Slice, WireEncoding, WorkerMessage } from '../../protocol/messages.ts'
import { rootLevel, type TreeNode } from '../../protocol/tree.ts'
import { bytesPerElement, decodeTensor, TensorEncoder } from '../../protocol/wire.ts'
import { Lanes } from './lanes.ts'
import { type Piece, Round } from './round.ts'

export interface ExchangeOptions {
  self: string
  runId: string
  parameterCount: number
  channels: readonly string[]
  microBatches: number
  encoding: WireEncoding
  /** `Mesh.send`: resolves once the bytes have arrived, or the coordinator's socket has taken them. */
  send(to: string, message: MeshMessage, payload: Uint8Array): Promise<void>
  /** Takes `sliced` and `gathered`; `computed` is the executor's. */
  report(message: WorkerMessage): void
  onError(error: LetheError): void
}

/** One channel's sum over one subtree of micro-batches. `gradient` has all parameters; it is read, never written. */
export interface Contribution {
  channel: string
  node: TreeNode
  gradient: Float32Array
}

type Combine = Extract<CoordinatorMessage, { type: 'combine' }>

/** Transfers under way to one worker: enough that several sockets are busy and none waits for an answer. */
const transfersUnderWay = 4
/** Plans that other workers may know before this one does. */
const earlyRounds = 2

/**
 * Sharded reduction, as one worker sees it. Every partial is cut at the borders of slices, and slices into chunks of one segment; a chunk
 * is sent, summed, multiplied and combined by itself, so no piece of work holds the event loop for long.
 */
export class Exchange {
  readonly #options: ExchangeOptions
  readonly #lanes = new Lanes(transfersUnderWay)
  readonly #encoders: Map<string, TensorEncoder>
  #shares: { start: number; end: number; encoder: TensorEncoder } | null = null
  /** By epoch. One of an earlier step stays until the direction of a later one begins to arrive. */
  readonly #rounds = new Map<number, Round>()
  #epoch = -1
  #late = 0

  constructor(options: ExchangeOptions) {
    this.#options = options
    const { channels, parameterCount, encoding } = options
    this.#encoders = new Map(channels.map((channel) => [channel, new TensorEncoder(parameterCount, encoding)]))
  }

  /** Pieces and shares dropped: their plan was over, or the same was here already. */
  get late(): number {
    return this.#late
  }

  /**
   * A plan. Older ones of the same step are over, and nothing happens where this one is older itself.
   * @throws LetheError CONNECTION_FRAME where the slices are not all elements in order, cut at blocks.
   */
  begin(epoch: number, step: number, slices: readonly Slice[]): void {
    if (epoch <= this.#epoch) return
    const { self, parameterCount, channels, microBatches } = this.#options
    checkSlices(slices, parameterCount)
    this.#epoch = epoch
    for (const round of this.#rounds.values())
      if (round.epoch < epoch && (round.step >= step || round.step < step - 1)) this.#rounds.delete(round.epoch)
    let round = this.#rounds.get(epoch)
    if (round?.step !== step) round = new Round({ epoch, step }, parameterCount)
    this.#rounds.set(epoch, round)
    round.begin(slices, self, channels, microBatches)
    for (const piece of round.early.splice(0))
      try {
        this.#put(round, piece)
      } catch {
        // Its sender has another plan of this epoch than the coordinator gave: nothing that we could ask it to mend.
        this.#late += 1
      }
  }

  /**
   * Sends each owner its slice of these partials of the newest plan, and adds the own one. Resolves when all have left, or the plan is over.
   * @throws LetheError INTERNAL before any plan; whatever `send` throws.
   */
  async contribute(partials: readonly Contribution[]): Promise<void> {
    const round = this.#rounds.get(this.#epoch)
    if (!round?.slices) throw new LetheError('INTERNAL', { message: 'partials were computed without a plan' })
    const others = round.slices.filter(({ worker }) => worker !== this.#options.self)
    const sending = others.flatMap(({ worker, start, end }) =>
      chunksOf(start, end).flatMap((chunk) => partials.map((partial) => this.#sendPiece(round, worker, partial, chunk))),
    )
    await Promise.all([this.#addOwn(round, partials), ...sending])
  }

  #sendPiece(round: Round, to: string, { channel, node, gradient }: Contribution, chunk: { start: number; end: number }): Promise<void> {
    const { runId, encoding } = this.#options
    const { epoch, step } = round
    const message: MeshMessage = { type: 'piece', runId, epoch, step, channel, ...node, start: chunk.start, encoding }
    return this.#send(round, to, message, () => this.#encode(channel, gradient, chunk))
  }

  async #addOwn(round: Round, partials: readonly Contribution[]): Promise<void> {
    const { self, encoding } = this.#options
    for (const chunk of [...round.chunks.values()])
      for (const { channel, node, gradient } of partials) {
        await breathe()
        if (!this.#isLive(round)) return
        const payload = await this.#encode(channel, gradient, chunk)
        // Rounded as for the others; and a copy, because sums are written to.
        const values = encoding === 'f32' ? gradient.slice(chunk.start, chunk.end) : decodeTensor(payload, encoding)
        this.#put(round, { from: self, channel, node, start: chunk.start, values })
      }
  }

  async #encode(channel: string, gradient: Float32Array, { start, end }: { start: number; end: number }): Promise<Uint8Array> {
    const encoder = this.#encoders.get(channel)
    if (!encoder) throw new LetheError('INTERNAL', { message: `a partial of channel ${channel}, which the method does not have` })
    return encoder.encode(gradient.subarray(start, end), start)
  }

  #send(round: Round, to: string, message: MeshMessage, payload: () => Promise<Uint8Array>): Promise<void> {
    return this.#lanes.run(to, async () => {
      await breathe()
      if (!this.#isLive(round)) return
      const bytes = await payload()
      try {
        await this.#options.send(to, message, bytes)
      } catch (error) {
        if (this.#isLive(round)) throw error
      }
    })
  }

  #isLive(round: Round): boolean {
    return this.#rounds.get(round.epoch) === round
  }

  /**
   * A piece or a share from another worker. The payload is this exchange's own from now on.
   * @throws LetheError CONNECTION_FRAME for whatever was not asked for.
   */
  accept(from: string, message: MeshBulk, payload: Uint8Array): void {
    const { runId, encoding, parameterCount } = this.#options
    const { type, epoch, step, start } = message
    if (message.runId !== runId) throw unasked(from, 'another run')
    if (message.encoding !== encoding) throw unasked(from, `encoding ${message.encoding}`)
    if (payload.byteLength === 0 || payload.byteLength > this.limit(message) || payload.byteLength % bytesPerElement[encoding] !== 0)
      throw unasked(from, `${payload.byteLength} bytes from element ${start} on`)
    const round = this.#rounds.get(epoch) ?? this.#earlyRound(epoch, step)
    if (round === null) {
      this.#late += 1
      return
    }
    if (round.step !== step) throw unasked(from, `step ${step} in a plan of step ${round.step}`)
    const values = decodeTensor(payload, encoding)
    if (type === 'share') {
      const isOwner = ({ worker, start: first, end }: Slice) => worker === from && first <= start && start + values.length <= end
      if (round.slices && !round.slices.some(isOwner)) throw unasked(from, `a share from element ${start} on`)
      return this.#gather(round, from, start, values)
    }
    const piece = { from, channel: message.channel, node: { level: message.level, index: message.index }, start, values }
    if (round.slices) return this.#put(round, piece)
    round.earlyBytes += payload.byteLength
    // What all workers together may send for a slice: each the nodes of its range, and as many again for workers that are late.
    const { channels, microBatches } = this.#options
    if (round.earlyBytes > 4 * parameterCount * channels.length * 4 * (rootLevel(microBatches) + 1))
      throw unasked(from, 'more pieces than the tree has')
    round.early.push(piece)
  }

  /** Bytes that a transfer with this header may have: one chunk. 0 for what cannot be wanted. */
  limit({ runId, encoding, start }: MeshBulk): number {
    const { parameterCount, ...options } = this.#options
    if (runId !== options.runId || encoding !== options.encoding || start % blockElements !== 0 || start >= parameterCount) return 0
    return bytesPerElement[encoding] * Math.min(chunkElements, parameterCount - start)
  }

  /** Of a plan that is not here yet; null where it is older than the present one. */
  #earlyRound(epoch: number, step: number): Round | null {
    if (epoch <= this.#epoch) return null
    const early = [...this.#rounds.keys()].filter((one) => one > this.#epoch)
    const oldest = Math.min(...early)
    if (early.length >= earlyRounds && epoch < oldest) return null
    if (early.length >= earlyRounds) this.#rounds.delete(oldest)
    const round = new Round({ epoch, step }, this.#options.parameterCount)
    this.#rounds.set(epoch, round)
    return round
  }

  #put(round: Round, { from, channel, node, start, values }: Piece): void {
    const chunk = round.chunks.get(start)
    if (!chunk) throw unasked(from, `a piece from element ${start} on`)
    let isNew: boolean
    try {
      isNew = chunk.put(channel, node, values)
    } catch (cause) {
      throw unasked(from, `a piece of channel ${channel}, level ${node.level}, index ${node.index}, ${values.length} elements`, cause)
    }
    if (!isNew) this.#late += 1
    const products = isNew && chunk.products !== null ? round.products() : null
    if (products === null || round.isSliced) return
    round.isSliced = true
    this.#options.report({ type: 'sliced', epoch: round.epoch, step: round.step, products })
  }

  /**
   * Combines the own slice and sends it to the workers that are named; it is always taken in here. Nothing happens where the plan is over or
   * this worker owns nothing.
   * @throws LetheError CONNECTION_FRAME before the slice is summed, or where a coefficient is missing.
   */
  async combine({ epoch, step, coefficients, to }: Combine): Promise<void> {
    const { self, runId, channels, encoding } = this.#options
    const round = this.#rounds.get(epoch)
    if (round?.step !== step || round.chunks.size === 0 || round.isCombined) return
    if (!round.isSliced)
      throw new LetheError('CONNECTION_FRAME', { message: `The slice of step ${step} is to be combined before it is summed` })
    const factors = channels.map((channel) => coefficients[channel])
    if (!factors.every((factor) => typeof factor === 'number'))
      throw new LetheError('CONNECTION_FRAME', { message: `A coefficient of step ${step} is missing` })
    round.isCombined = true
    const encoder = this.#shareEncoder(round)
    const sending: Promise<void>[] = []
    for (const chunk of [...round.chunks.values()]) {
      await breathe()
      if (!this.#isLive(round)) break
      const values = combineInPlace(chunk.take(), factors)
      const payload = await encoder.encode(values, chunk.start - [...round.chunks.keys()][0])
      this.#gather(round, self, chunk.start, decodeTensor(payload, encoding))
      const message: MeshMessage = { type: 'share', runId, epoch, step, start: chunk.start, encoding }
      for (const worker of to) if (worker !== self) sending.push(this.#send(round, worker, message, async () => payload))
    }
    await Promise.all(sending)
  }

  /** What rounding took is kept as long as the slice stays the same. */
  #shareEncoder(round: Round): TensorEncoder {
    const chunks = [...round.chunks.values()]
    const [start, end] = [chunks[0].start, chunks[chunks.length - 1].end]
    if (this.#shares?.start !== start || this.#shares.end !== end)
      this.#shares = { start, end, encoder: new TensorEncoder(end - start, this.#options.encoding) }
    return this.#shares.encoder
  }

  #gather(round: Round, from: string, start: number, values: Float32Array): void {
    // Everyone has applied what came before, or there would be nothing to gather.
    for (const other of this.#rounds.values()) if (other.epoch < round.epoch && other.step < round.step) this.#rounds.delete(other.epoch)
    let isNew: boolean
    try {
      isNew = round.gathering.put(start, values)
    } catch (cause) {
      throw unasked(from, `a share of ${values.length} elements from element ${start} on`, cause)
    }
    if (!isNew) this.#late += 1
    else if (round.direction !== null) this.#finish(round, round.direction).catch((error) => this.#options.onError(LetheError.from(error)))
  }

  async #finish(round: Round, direction: Float32Array): Promise<void> {
    const hash = createHash('sha256')
    for (const { start, end } of chunksOf(0, direction.length)) {
      if (start > 0) await breathe()
      hash.update(new Uint8Array(direction.buffer, direction.byteOffset + 4 * start, 4 * (end - start)))
    }
    if (this.#isLive(round)) this.#options.report({ type: 'gathered', epoch: round.epoch, step: round.step, sha256: hash.digest('hex') })
  }

  /** The direction of a step, all parameters; null until it is whole. Nobody else writes to it. */
  direction(epoch: number, step: number): Float32Array | null {
    const round = this.#rounds.get(epoch)
    return round?.step === step ? round.direction : null
  }
}

function checkSlices(slices: readonly Slice[], parameterCount: number): void {
  let position = 0
  for (const { start, end } of slices) {
    if (start !== position || end <= start || start % blockElements !== 0)
      throw new LetheError('CONNECTION_FRAME', { message: `A plan has a slice of elements ${start} to ${end} after element ${position}` })
    position = end
  }
  if (position !== parameterCount)
    throw new LetheError('CONNECTION_FRAME', {
      message: 'The slices of a plan do not cover the parameters',
      received: `${position} elements`,
    })
}

function unasked(from: string, what: string, cause?: unknown): LetheError {
  return new LetheError('CONNECTION_FRAME', { message: `${from} sent what it was not asked for: ${what}`, cause })
}
