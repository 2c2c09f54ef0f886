import { ErrorFeedback, fromBf16 } from '../../protocol/bf16.ts'
import type { CoordinatorMessage, StepFigures, WorkerMessage } from '../../protocol/messages.ts'
import type { ModelExchange } from './exchange.ts'
import { digestOf, flipBit, lengthOf, type ModelSession, type ModelState, type Partial } from './model.ts'
import type { BulkUp } from './wire.ts'
import type { Process } from './world.ts'

type MessageOf<Type extends CoordinatorMessage['type']> = Extract<CoordinatorMessage, { type: Type }>

export interface Holding {
  readonly session: ModelSession
  figures: StepFigures | null
}

interface Range {
  start: number
  end: number
}

interface Work {
  readonly epoch: number
  readonly step: number
  readonly isSharded: boolean
  readonly ranges: Range[]
  audit: Range | null
  isAborted: boolean
}

interface Direction {
  values: Float32Array
  figures: StepFigures | null
}

export interface ExecutorOptions {
  process: Process
  holding: Holding
  exchange: ModelExchange | null
  isExact: boolean
  isAudited: boolean
  /** What a micro-batch takes now. */
  microMs(): number
  send(message: WorkerMessage): void
  sendBulk(message: BulkUp): void
  onMicroBatches(count: number): void
  /** The parameters have changed; `applied` is the step whose direction did it, null for a state. */
  onParameters(applied: number | null): void
  /** Does the arithmetic err here? */
  errs(what: 'gradient' | 'parameters', at: { epoch: number; step: number }): boolean
}

const measureMs = 15

/** `worker/runtime/executor.ts` in virtual time: the same order of work, aborted at the same places. */
export class ModelExecutor {
  readonly #options: ExecutorOptions
  #work: Work | null = null
  #states: { version: number; state: ModelState; figures: StepFigures | null }[] = []
  readonly #directions = new Map<number, Direction>()
  #exports: MessageOf<'export'>[] = []
  #evaluations: MessageOf<'evaluate'>[] = []
  #busy: { since: number; microMs: number; end(): void } | null = null
  readonly #feedback = new Map<string, ErrorFeedback>()
  #isStopped = false

  constructor(options: ExecutorOptions) {
    this.#options = options
  }

  assign({ epoch, step, start, end, audit, slices }: MessageOf<'assign'>): void {
    if (this.#work && epoch <= this.#work.epoch) return
    this.#abort()
    if (slices) this.#exchange.begin(epoch, step, slices)
    this.#work = { epoch, step, isSharded: slices !== null, ranges: start < end ? [{ start, end }] : [], audit, isAborted: false }
    this.#pump()
  }

  assist({ epoch, step, start, end }: MessageOf<'assist'>): void {
    if (epoch !== this.#work?.epoch || step !== this.#work.step) return
    this.#work.ranges.push({ start, end })
    this.#pump()
  }

  load(version: number, state: ModelState, figures: StepFigures | null): void {
    this.#states.push({ version, state, figures })
    this.#pump()
  }

  apply(step: number, direction: Direction): void {
    this.#directions.set(step, direction)
    if (step === this.#work?.step) this.#abort()
    this.#pump()
  }

  applyGathered({ epoch, step }: MessageOf<'apply'>): void {
    this.apply(step, this.#exchange.take(epoch, step))
  }

  export(request: MessageOf<'export'>): void {
    this.#exports.push(request)
    this.#answerExports()
  }

  evaluate(request: MessageOf<'evaluate'>): void {
    this.#evaluations.push(request)
    this.#pump()
  }

  /** @returns the time until the micro-batch at hand is done and nothing touches the session any more. */
  stop(): number {
    this.#isStopped = true
    return this.#busy ? this.#restOfMicroBatch(this.#busy) : 0
  }

  get #exchange(): ModelExchange {
    return this.#options.exchange as ModelExchange
  }

  #abort(): void {
    if (!this.#work || this.#work.isAborted) return
    this.#work.isAborted = true
    const busy = this.#busy
    if (busy) this.#options.process.after(this.#restOfMicroBatch(busy), () => this.#busy === busy && busy.end())
  }

  #restOfMicroBatch({ since, microMs }: { since: number; microMs: number }): number {
    const elapsedMs = this.#options.process.world.now - since
    return Math.ceil(elapsedMs / microMs) * microMs - elapsedMs
  }

  #pump(): void {
    while (this.#busy === null && !this.#isStopped && this.#next());
  }

  #next(): boolean {
    const { holding, errs, onParameters } = this.#options
    const { session } = holding
    const direction = this.#directions.get(session.step)
    if (direction) {
      const { step } = session
      this.#directions.delete(step)
      holding.figures = direction.figures
      session.apply(direction.values)
      if (errs('parameters', { epoch: 0, step })) session.damage()
      onParameters(step)
      this.#reached()
      return true
    }
    const state = this.#states.shift()
    if (state) {
      session.import(state.state)
      for (const step of [...this.#directions.keys()]) if (step < state.version) this.#directions.delete(step)
      holding.figures = state.figures
      onParameters(null)
      this.#reached()
      return true
    }
    const work = this.#work
    if (work?.step === session.step && !work.isAborted) {
      const range = work.ranges.shift()
      const { audit } = work
      if (range) {
        this.#occupy(range, () => this.#compute(work, range))
        return false
      }
      if (audit) {
        work.audit = null
        this.#occupy(audit, () => this.#audit(work, audit))
        return false
      }
    }
    const evaluation = this.#evaluations.shift()
    if (!evaluation) return false
    this.#occupy({ start: 0, end: 1 }, () => this.#measure(evaluation), measureMs)
    return false
  }

  #occupy({ start, end }: Range, done: () => void, microMs = this.#options.microMs()): void {
    const { process, onMicroBatches } = this.#options
    const busy = {
      since: process.world.now,
      microMs,
      end: () => {
        this.#busy = null
        if (this.#isStopped) return
        onMicroBatches(end - start)
        done()
        this.#pump()
      },
    }
    this.#busy = busy
    process.after(microMs * (end - start), () => this.#busy === busy && busy.end())
  }

  #partials({ epoch, step }: Work, { start, end }: Range): Partial[] {
    const { holding, errs } = this.#options
    const partials = holding.session.partials(step, start, end)
    if (partials.length > 0 && errs('gradient', { epoch, step })) flipBit(partials[0].gradient)
    return partials
  }

  #compute(work: Work, { start, end }: Range): void {
    if (work.isAborted) return
    const { send, sendBulk, isAudited, isExact, microMs } = this.#options
    const { epoch, step } = work
    const partials = this.#partials(work, { start, end })
    const computeMs = microMs() * (end - start)
    const digest = ({ gradient }: Partial) => (isAudited ? digestOf(gradient) : '')
    if (work.isSharded) {
      const terms = partials.map((partial) => ({ channel: partial.channel, ...partial.node, loss: partial.loss, sha256: digest(partial) }))
      send({ type: 'computed', epoch, step, start, end, computeMs, terms })
      this.#exchange.contribute(partials, epoch, step)
      return
    }
    for (const partial of partials) {
      const sha256 = digest(partial)
      const gradient = isExact ? partial.gradient : this.#round(partial)
      sendBulk({ type: 'partial', epoch, step, partial: { ...partial, gradient }, sha256, computeMs })
    }
  }

  #round({ channel, gradient }: Partial): Float32Array {
    const feedback = this.#feedback.get(channel) ?? new ErrorFeedback(lengthOf(this.#options.holding.session.job))
    this.#feedback.set(channel, feedback)
    return fromBf16(Buffer.from(feedback.encode(gradient)))
  }

  #audit(work: Work, { start, end }: Range): void {
    if (work.isAborted) return
    const { epoch, step } = work
    const digests = this.#partials(work, { start, end }).map(({ channel, node, gradient }) => ({
      channel,
      ...node,
      sha256: digestOf(gradient),
    }))
    this.#options.send({ type: 'audited', epoch, step, start, end, digests })
  }

  #measure({ ticket, unit }: MessageOf<'evaluate'>): void {
    this.#options.sendBulk({ type: 'evaluation', ticket, value: this.#options.holding.session.evaluate(unit.start) })
  }

  #reached(): void {
    const { session } = this.#options.holding
    this.#options.send({ type: 'at', version: session.step, digest: session.digest() })
    this.#answerExports()
  }

  #answerExports(): void {
    const { holding, process, sendBulk } = this.#options
    const { session } = holding
    const due = this.#exports.filter(({ version }) => version <= session.step)
    this.#exports = this.#exports.filter(({ version }) => version > session.step)
    for (const { ticket, version } of due) {
      if (version !== session.step) process.world.violate('protocol', `${process.name} is asked for version ${version} at ${session.step}`)
      sendBulk({ type: 'state', ticket, version, digest: session.digest(), state: session.export() })
    }
  }
}
