import { LetheError } from '../../protocol/errors.ts'
import { packResult } from '../../protocol/evaluated.ts'
import type { CoordinatorMessage, StepFigures, Unsent, WorkerBulk, WorkerMessage } from '../../protocol/messages.ts'
import type { Partial } from '../session.ts'
import { type CentralDelivery, type Direction, gradientDigest, type ShardedDelivery } from './delivery.ts'
import type { Holding } from './holdings.ts'
import type { Watermark } from './watermark.ts'

type MessageOf<Type extends CoordinatorMessage['type']> = Extract<CoordinatorMessage, { type: Type }>

export interface ExecutorOptions {
  holding: Holding
  watermark: Watermark
  central: CentralDelivery
  /** Null where the coordinator reduces. */
  sharded: ShardedDelivery | null
  send(message: WorkerMessage): void
  sendBulk(message: Unsent<WorkerBulk>, payload: Uint8Array): Promise<void>
  onError(error: LetheError): void
}

interface Range {
  start: number
  end: number
}

/** What is left to do of a plan. */
interface Work {
  readonly epoch: number
  readonly step: number
  readonly isSharded: boolean
  /** One's own, then those of workers that are late. */
  readonly ranges: Range[]
  audit: Range | null
  readonly abort: AbortController
}

interface State {
  version: number
  bytes: Uint8Array
  figures: StepFigures | null
}

/**
 * Does what the coordinator asks, when the version of the parameters is the one that it is meant for: bus and bulk socket keep no common
 * order, so a plan may come before the direction that makes its version. One executor serves one membership; the session outlives it.
 */
export class Executor {
  readonly #options: ExecutorOptions
  #work: Work | null = null
  #states: State[] = []
  readonly #directions = new Map<number, Direction>()
  #exports: MessageOf<'export'>[] = []
  #evaluations: MessageOf<'evaluate'>[] = []
  readonly #stopping = new AbortController()
  /** One for the whole membership: a race for each unit would leave a listener behind. */
  readonly #stopped = aborted(this.#stopping.signal)
  #pumping: Promise<void> | null = null
  /** Something came since the last look for work. */
  #isPrompted = false

  constructor(options: ExecutorOptions) {
    this.#options = options
    options.watermark.set('step', options.holding.session.step)
  }

  /** A newer epoch takes the place of older work. */
  assign({ epoch, step, start, end, audit, slices }: MessageOf<'assign'>): void {
    if (this.#work && epoch <= this.#work.epoch) return
    this.#work?.abort.abort()
    if (slices) this.#sharded.begin(epoch, step, slices)
    const ranges = start < end ? [{ start, end }] : []
    this.#work = { epoch, step, isSharded: slices !== null, ranges, audit, abort: new AbortController() }
    this.#pump()
  }

  /** More micro-batches of the plan at hand; of any other it is out of date. */
  assist({ epoch, step, start, end }: MessageOf<'assist'>): void {
    if (epoch !== this.#work?.epoch || step !== this.#work.step) return
    this.#work.ranges.push({ start, end })
    this.#pump()
  }

  load(version: number, bytes: Uint8Array, figures: StepFigures | null): void {
    this.#states.push({ version, bytes, figures })
    this.#pump()
  }

  /** A direction ends the step: what is still computed for it is no longer wanted. */
  apply(step: number, direction: Direction): void {
    this.#directions.set(step, direction)
    if (step === this.#work?.step) this.#work.abort.abort()
    this.#pump()
  }

  /** The same for the direction that the shares made. */
  applyGathered(message: MessageOf<'apply'>): void {
    this.apply(message.step, this.#sharded.take(message))
  }

  combine(message: MessageOf<'combine'>): void {
    this.#guard(() => this.#sharded.combine(message))
  }

  /** Answered between two micro-batches, without waiting for the step. */
  export(request: MessageOf<'export'>): void {
    this.#exports.push(request)
    this.#guard(() => this.#answerExports())
  }

  evaluate(request: MessageOf<'evaluate'>): void {
    this.#evaluations.push(request)
    this.#pump()
  }

  /** Resolves when nothing of this executor touches the session any more: at the latest, when the micro-batch at hand is done. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    this.#work?.abort.abort()
    await this.#pumping
  }

  get #sharded(): ShardedDelivery {
    const { sharded } = this.#options
    if (!sharded) throw new LetheError('CONNECTION_FRAME', { message: 'The coordinator shards a run that it reduces itself' })
    return sharded
  }

  get #isStopped(): boolean {
    return this.#stopping.signal.aborted
  }

  #guard(work: () => void | Promise<void>): Promise<void> {
    return new Promise<void>((resolve) => resolve(work())).catch((error) => {
      if (!this.#isStopped) this.#options.onError(LetheError.from(error))
    })
  }

  #pump(): void {
    this.#isPrompted = true
    if (this.#pumping || this.#isStopped) return
    this.#pumping = this.#guard(async () => {
      while (this.#isPrompted && !this.#isStopped) {
        this.#isPrompted = false
        while (!this.#isStopped && (await this.#next()));
      }
      this.#pumping = null
    })
  }

  /** One piece of work, the parameters' own changes first. Returns false where nothing can be done now. */
  async #next(): Promise<boolean> {
    const { holding } = this.#options
    const { session } = holding
    // Before a state: what has its turn now came before it.
    const direction = this.#directions.get(session.step)
    if (direction) {
      this.#directions.delete(session.step)
      holding.figures = direction.figures
      this.#reached(session.apply(session.step, direction.values))
      return true
    }
    const state = this.#states.shift()
    if (state) {
      this.#import(state)
      return true
    }
    const work = this.#work
    if (work?.step === session.step && !work.abort.signal.aborted) {
      const range = work.ranges.shift()
      const { audit } = work
      if (range) {
        await this.#compute(work, range)
        return true
      }
      if (audit) {
        work.audit = null
        await this.#audit(work, audit)
        return true
      }
    }
    const evaluation = this.#evaluations.shift()
    if (evaluation) await this.#measure(evaluation)
    return evaluation !== undefined
  }

  #import({ version, bytes, figures }: State): void {
    const { holding } = this.#options
    const { session } = holding
    session.importState(bytes)
    if (session.step !== version)
      throw new LetheError('CONNECTION_FRAME', {
        message: 'A state is of another version',
        expected: `${version}`,
        received: `${session.step}`,
      })
    for (const step of [...this.#directions.keys()]) if (step < version) this.#directions.delete(step)
    holding.figures = figures
    this.#reached(session.digest())
  }

  #reached(digest: string): void {
    const { holding, watermark, send } = this.#options
    watermark.set('step', holding.session.step)
    send({ type: 'at', version: holding.session.step, digest, peakMemoryBytes: 1024 * process.resourceUsage().maxRSS })
    this.#answerExports()
  }

  /** Null where the work was taken back meanwhile. */
  async #partials({ step, abort }: Work, { start, end }: Range): Promise<Partial[] | null> {
    const { holding, watermark } = this.#options
    const { signal } = abort
    try {
      const partials = await holding.session.partials(step, start, end, { signal, onMicroBatch: () => watermark.add('microBatches', 1) })
      return signal.aborted ? null : partials
    } catch (error) {
      if (signal.aborted) return null
      throw error
    }
  }

  async #compute(work: Work, { start, end }: Range): Promise<void> {
    const { central, sharded } = this.#options
    const { epoch, step } = work
    const startedAt = performance.now()
    const partials = await this.#partials(work, { start, end })
    if (!partials) return
    const computeMs = performance.now() - startedAt
    const delivery = work.isSharded && sharded ? sharded : central
    const { signal } = work.abort
    // What is on its way to a worker that has died must not keep this one from the next plan.
    await Promise.race([delivery.deliver({ epoch, step, start, end, computeMs, partials, signal }), aborted(signal)])
  }

  async #audit(work: Work, { start, end }: Range): Promise<void> {
    const { epoch, step } = work
    const partials = await this.#partials(work, { start, end })
    if (!partials) return
    const digests = partials.map((partial) => ({ channel: partial.channel, ...partial.node, sha256: gradientDigest(partial) }))
    this.#options.send({ type: 'audited', epoch, step, start, end, digests })
  }

  async #measure({ ticket, unit }: MessageOf<'evaluate'>): Promise<void> {
    const { holding, watermark, sendBulk } = this.#options
    const result = await holding.session.evaluate(unit, () => {
      this.#stopping.signal.throwIfAborted()
      watermark.add('microBatches', 1)
    })
    const { values, widths, payload } = packResult(result)
    await Promise.race([sendBulk({ type: 'evaluation', ticket, values, widths }, payload), this.#stopped])
  }

  #answerExports(): void {
    const { session } = this.#options.holding
    const due = this.#exports.filter(({ version }) => version <= session.step)
    this.#exports = this.#exports.filter((request) => !due.includes(request))
    for (const request of due) this.#answer(request)
  }

  #answer({ ticket, version, files }: MessageOf<'export'>): void {
    const { holding, sendBulk } = this.#options
    const { session } = holding
    if (version !== session.step)
      throw new LetheError('INTERNAL', { message: `version ${version} was asked for, but the parameters are at ${session.step}` })
    // Taken now, before anything changes them; the transfers follow when the socket is free.
    const digest = session.digest()
    const transfers = files ? session.checkpointFiles() : []
    const state = session.exportState()
    void this.#guard(async () => {
      for (const { path, bytes } of transfers) await sendBulk({ type: 'file', ticket, path }, bytes)
      await sendBulk({ type: 'state', ticket, version, digest }, state)
    })
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
