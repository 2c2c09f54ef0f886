import { sha256 } from '../../protocol/digest.ts'
import { LetheError } from '../../protocol/errors.ts'
import type { CoordinatorMessage, Unsent, WorkerBulk, WorkerMessage } from '../../protocol/messages.ts'
import type { JobSession } from '../session.ts'
import type { Watermark } from './watermark.ts'

type Assignment = Extract<CoordinatorMessage, { type: 'assign' }>
type ExportRequest = Extract<CoordinatorMessage, { type: 'export' }>
type EvaluationRequest = Extract<CoordinatorMessage, { type: 'evaluate' }>

export interface ExecutorOptions {
  session: JobSession
  runId: string
  watermark: Watermark
  send(message: WorkerMessage): void
  sendBulk(message: Unsent<WorkerBulk>, payload: Uint8Array): Promise<void>
  onError(error: LetheError): void
}

/**
 * Does what the coordinator asks, when the version of the parameters is the one that it is meant for: the two sockets keep no common
 * order, so a plan may come before the direction that makes its version.
 */
export class Executor {
  readonly #options: ExecutorOptions
  #assignment: Assignment | null = null
  #states: { version: number; bytes: Uint8Array }[] = []
  readonly #directions = new Map<number, Float32Array>()
  #exports: ExportRequest[] = []
  #evaluations: EvaluationRequest[] = []
  #work: AbortController | null = null
  #isPumping = false
  #isStopped = false

  constructor(options: ExecutorOptions) {
    this.#options = options
  }

  /** A newer epoch takes the place of older work. */
  assign(assignment: Assignment): void {
    if (this.#assignment && assignment.epoch <= this.#assignment.epoch) return
    this.#assignment = assignment
    this.#work?.abort()
    this.#pump()
  }

  load(version: number, bytes: Uint8Array): void {
    this.#states.push({ version, bytes })
    this.#pump()
  }

  /** A direction ends the step: what is still computed for it is no longer wanted. */
  apply(step: number, direction: Float32Array): void {
    this.#directions.set(step, direction)
    if (step === this.#options.session.step) this.#work?.abort()
    this.#pump()
  }

  /** Answered between two micro-batches, without waiting for the step. */
  export(request: ExportRequest): void {
    this.#exports.push(request)
    this.#guard(() => this.#answerExports())
  }

  evaluate(request: EvaluationRequest): void {
    this.#evaluations.push(request)
    this.#pump()
  }

  stop(): void {
    this.#isStopped = true
    this.#work?.abort()
  }

  #guard(work: () => void | Promise<void>): void {
    new Promise<void>((resolve) => resolve(work())).catch((error) => {
      if (!this.#isStopped) this.#options.onError(LetheError.from(error))
    })
  }

  #pump(): void {
    if (this.#isPumping) return
    this.#isPumping = true
    this.#guard(async () => {
      while (!this.#isStopped && (await this.#next()));
      this.#isPumping = false
    })
  }

  /** One piece of work, the parameters' own changes first. Returns false where nothing can be done now. */
  async #next(): Promise<boolean> {
    const { session } = this.#options
    const state = this.#states.shift()
    if (state) {
      session.importState(state.bytes)
      if (session.step !== state.version)
        throw new LetheError('CONNECTION_FRAME', {
          message: 'A state is of another version',
          expected: `${state.version}`,
          received: `${session.step}`,
        })
      this.#reached(session.digest())
      return true
    }
    const direction = this.#directions.get(session.step)
    if (direction) {
      this.#directions.delete(session.step)
      this.#reached(session.apply(session.step, direction))
      return true
    }
    if (this.#assignment?.step === session.step) {
      const assignment = this.#assignment
      await this.#compute(assignment)
      if (this.#assignment === assignment) this.#assignment = { ...assignment, step: -1 }
      return true
    }
    const evaluation = this.#evaluations.shift()
    if (evaluation) {
      await this.#measure(evaluation)
      return true
    }
    return false
  }

  #reached(digest: string): void {
    const { session, watermark, send } = this.#options
    watermark.set('step', session.step)
    send({ type: 'at', version: session.step, digest })
    this.#answerExports()
  }

  async #compute({ epoch, step, start, end }: Assignment): Promise<void> {
    const { session, runId, watermark, sendBulk } = this.#options
    if (start === end) return
    const work = new AbortController()
    this.#work = work
    const startedAt = performance.now()
    try {
      const partials = await session.partials(step, start, end, {
        signal: work.signal,
        onMicroBatch: () => watermark.add('microBatches', 1),
      })
      const computeMs = performance.now() - startedAt
      for (const { channel, node, loss, gradient } of partials) {
        if (work.signal.aborted) return
        const bytes = new Uint8Array(gradient.buffer, gradient.byteOffset, gradient.byteLength)
        await sendBulk({ type: 'partial', runId, epoch, step, channel, ...node, loss, computeMs }, bytes)
      }
    } catch (error) {
      if (!work.signal.aborted) throw error
    } finally {
      this.#work = null
    }
  }

  async #measure({ ticket, unit }: EvaluationRequest): Promise<void> {
    const { session, watermark, sendBulk } = this.#options
    const { values, images } = await session.evaluate(unit, () => watermark.add('microBatches', 1))
    await sendBulk({ type: 'evaluation', ticket, values }, images)
  }

  #answerExports(): void {
    const { session } = this.#options
    const due = this.#exports.filter(({ version }) => version <= session.step)
    this.#exports = this.#exports.filter((request) => !due.includes(request))
    for (const request of due) this.#answer(request)
  }

  #answer({ ticket, version, files }: ExportRequest): void {
    const { session, sendBulk } = this.#options
    if (version !== session.step)
      throw new LetheError('INTERNAL', { message: `version ${version} was asked for, but the parameters are at ${session.step}` })
    // Taken now, before anything changes them; the transfers follow when the socket is free.
    const digest = session.digest()
    const transfers = files ? session.checkpointFiles() : []
    const state = session.exportState()
    this.#guard(async () => {
      for (const { path, bytes } of transfers) await sendBulk({ type: 'file', ticket, path }, bytes)
      await sendBulk({ type: 'state', ticket, version, digest }, state)
    })
  }
}

/** The files of the parent, once all of them are there and are the announced ones. */
export function parentComplete(
  announced: readonly { path: string; sha256: string }[],
  received: ReadonlyMap<string, Uint8Array>,
): { path: string; bytes: Uint8Array }[] | null {
  if (!announced.every(({ path }) => received.has(path))) return null
  return announced.map(({ path, sha256: expected }) => {
    const bytes = received.get(path) as Uint8Array
    if (sha256(bytes) !== expected) throw new LetheError('CONNECTION_FRAME', { message: `${path} arrived damaged` })
    return { path, bytes }
  })
}
