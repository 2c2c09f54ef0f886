import { ErrorFeedback, fromBf16 } from '../../protocol/bf16.ts'
import { sha256 } from '../../protocol/digest.ts'
import { LetheError } from '../../protocol/errors.ts'
import type { StepJob } from '../../protocol/job.ts'
import type { SessionSummary, WireEncoding, WorkerBulk, WorkerMessage } from '../../protocol/messages.ts'
import { methodOf } from '../../protocol/methods/index.ts'
import { channelsIn, roundAt, roundsOf } from '../../protocol/rounds.ts'
import { transferFrames } from '../../protocol/transfer.ts'
import type { Peer } from '../net/peer.ts'
import type { Range } from '../planner.ts'
import { CentralReducer } from '../reduce/central.ts'
import type { Reducer, Reduction } from '../reduce/reducer.ts'
import { ShardedReducer } from '../reduce/sharded.ts'
import { Audit, rangeDigest } from './audit.ts'
import type { RunCommand, RunEvent, RunSettings } from './state.ts'

type CommandOf<Type extends RunCommand['type']> = Extract<RunCommand, { type: Type }>
type MessageOf<Type extends WorkerMessage['type']> = Extract<WorkerMessage, { type: Type }>

export interface TrainingOptions {
  job: StepJob
  runId: string
  summary: SessionSummary
  settings: RunSettings
  peer(worker: string): Peer | undefined
  dispatch(event: RunEvent): void
  background(work: Promise<unknown>): void
  fail(error: LetheError): void
}

/** The steps of a run as they really happen: plans leave, partials arrive, directions go out. What to do is decided elsewhere. */
export class Training {
  readonly #options: TrainingOptions
  readonly #reducer: CentralReducer | ShardedReducer
  readonly #encoding: WireEncoding
  readonly #feedback: ErrorFeedback | null
  #reduction: Reduction | null = null
  #audit: Audit | null = null
  /** Of the newest plan. */
  #epoch = 0

  constructor(options: TrainingOptions) {
    const { job, summary, settings, dispatch } = options
    const rounds = roundsOf(job)
    this.#options = options
    this.#encoding = job.training.wire
    this.#feedback = this.#encoding === 'bf16' ? new ErrorFeedback(summary.parameterCount) : null
    const Reducer = settings.reducer === 'sharded' ? ShardedReducer : CentralReducer
    this.#reducer = new Reducer({
      parameterCount: summary.parameterCount,
      microBatches: settings.microBatches,
      method: methodOf(job.method.name),
      methodOptions: job.method,
      clipNorm: job.training.clipNorm,
      phaseOf: (step) => roundAt(rounds, step).phase,
      onDelivered: (part) => dispatch({ type: 'delivered', ...part }),
    })
  }

  get late(): number {
    return (this.#reducer as Reducer).late
  }

  plan({ epoch, step, ranges, slices, audits }: CommandOf<'plan'>): void {
    const { job, dispatch, background, peer, settings, summary } = this.#options
    const counts = { channels: summary.channels.length, microBatches: settings.microBatches }
    const audit = audits && new Audit(epoch, ranges.filter(isNotEmpty), counts)
    this.#audit = audit
    this.#epoch = epoch
    const reducing = this.#reducer.begin({ epoch, step, ranges, slices }).then(async (reduction) => {
      if (reduction === null) return
      await audit?.clear()
      if (audit !== this.#audit || epoch !== this.#epoch) return
      // Channels that this round does not compute arrive as zeros, which would be read as losses.
      const computed = channelsIn(job.method, roundAt(roundsOf(job), step).phase)
      const [losses, norms] = [reduction.losses, reduction.norms].map((figures) => only(figures, computed))
      this.#reduction = { ...reduction, losses, norms }
      const { updateNorm } = reduction
      dispatch({ type: 'reduced', epoch, step, losses, norms, updateNorm })
    })
    background(reducing)
    for (const { worker, start, end } of ranges) {
      const audited = audits?.find((range) => range.worker === worker)
      const second = audited ? { start: audited.start, end: audited.end } : null
      peer(worker)?.send({ type: 'assign', epoch, step, start, end, audit: second, slices })
    }
  }

  assist({ epoch, step, ranges }: CommandOf<'assist'>): void {
    this.#reducer.assist(epoch, ranges)
    for (const { worker, start, end } of ranges) this.#options.peer(worker)?.send({ type: 'assist', epoch, step, start, end })
  }

  trial({ epoch, step, start, end, workers }: CommandOf<'trial'>): void {
    this.#audit = null
    for (const worker of workers)
      this.#options.peer(worker)?.send({ type: 'assign', epoch, step, start: 0, end: 0, audit: { start, end }, slices: null })
  }

  release({ epoch, step, workers }: CommandOf<'release'>): void {
    const { losses, norms, updateNorm, coefficients, direction } = this.#reduction as Reduction
    const figures = { losses, norms, updateNorm }
    if (direction === null) {
      // Owners combine; all others keep the figures, for the next leader.
      for (const worker of workers) this.#options.peer(worker)?.send({ type: 'combine', epoch, step, coefficients, to: workers, figures })
      return
    }
    const bytes = this.#feedback?.encode(direction) ?? new Uint8Array(direction.buffer, direction.byteOffset, direction.byteLength)
    const frames = [...transferFrames({ type: 'direction', step, encoding: this.#encoding, figures }, bytes)]
    for (const worker of workers) this.#options.peer(worker)?.sendBulkFrames(frames)
  }

  apply({ epoch, step, workers }: CommandOf<'apply'>): void {
    for (const worker of workers) this.#options.peer(worker)?.send({ type: 'apply', epoch, step })
  }

  onPartial(worker: string, message: Extract<WorkerBulk, { type: 'partial' }>, payload: Uint8Array<ArrayBuffer>): void {
    const { epoch, step, channel, level, index, loss, computeMs } = message
    this.#checkRun(worker, message.runId)
    if (message.encoding !== this.#encoding || !(this.#reducer instanceof CentralReducer)) throw unagreed(worker, 'a partial')
    const reducer = this.#reducer
    const gradient = this.#encoding === 'bf16' ? fromBf16(payload) : new Float32Array(payload.buffer)
    this.#watchFinite(() => reducer.accept({ worker, epoch, step, channel, node: { level, index }, loss, gradient, computeMs }))
    if (this.#audit?.epoch === epoch) this.#claim(worker, step, [{ channel, level, index, sha256: sha256(payload) }])
  }

  onComputed(worker: string, message: MessageOf<'computed'>): void {
    const reducer = this.#sharded(worker, 'terms')
    this.#watchFinite(() => reducer.computed({ ...message, worker }))
    const digests = message.terms.map(({ channel, level, index, sha256 }) => ({ channel, level, index, sha256 }))
    if (this.#audit?.epoch === message.epoch) this.#claim(worker, message.step, digests)
  }

  onSliced(worker: string, message: MessageOf<'sliced'>): void {
    const reducer = this.#sharded(worker, 'a slice')
    this.#watchFinite(() => reducer.sliced(worker, message))
  }

  /** What another worker's range comes to: in an audit to be compared, in a trial a vote. */
  onAudited(worker: string, { epoch, step, digests }: MessageOf<'audited'>): void {
    if (this.#audit?.epoch === epoch) this.#claim(worker, step, digests)
    else this.#options.dispatch({ type: 'voted', worker, epoch, digest: rangeDigest(digests) })
  }

  #claim(worker: string, step: number, digests: MessageOf<'audited'>['digests']): void {
    const audit = this.#audit as Audit
    const dispute = audit.claim(worker, digests)
    if (dispute) this.#options.dispatch({ type: 'disputed', epoch: audit.epoch, step, ...dispute })
  }

  #checkRun(worker: string, runId: string): void {
    if (runId !== this.#options.runId) throw new LetheError('CONNECTION_FRAME', { message: `${worker} sent something of another run` })
  }

  #sharded(worker: string, what: string): ShardedReducer {
    if (!(this.#reducer instanceof ShardedReducer)) throw unagreed(worker, what)
    return this.#reducer
  }

  /** What is not finite ends the run; anything else wrong ends the worker's membership. */
  #watchFinite(work: () => unknown): void {
    try {
      work()
    } catch (error) {
      if (error instanceof LetheError && error.code === 'COMPUTE_NOT_FINITE') this.#options.fail(error)
      else throw error
    }
  }
}

const isNotEmpty = ({ start, end }: Range) => end > start

function unagreed(worker: string, what: string): LetheError {
  return new LetheError('CONNECTION_FRAME', { message: `${worker} sent ${what} that this reducer does not take` })
}

function only(figures: Record<string, number>, channels: readonly string[]): Record<string, number> {
  return Object.fromEntries(Object.entries(figures).filter(([channel]) => channels.includes(channel)))
}
