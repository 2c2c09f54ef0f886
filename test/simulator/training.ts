import { Audit, rangeDigest } from '../../coordinator/run/audit.ts'
import type { RunCommand, RunEvent } from '../../coordinator/run/state.ts'
import { ErrorFeedback, fromBf16 } from '../../protocol/bf16.ts'
import type { CoordinatorMessage, NodeDigest, WorkerMessage } from '../../protocol/messages.ts'
import type { Cluster } from './cluster.ts'
import { lengthOf } from './model.ts'
import { ModelReducer, type Reduction } from './reduction.ts'
import type { BulkDown, BulkUp } from './wire.ts'
import type { Process } from './world.ts'

type CommandOf<Type extends RunCommand['type']> = Extract<RunCommand, { type: Type }>
type MessageOf<Type extends WorkerMessage['type']> = Extract<WorkerMessage, { type: Type }>

export interface ModelTrainingOptions {
  cluster: Cluster
  process: Process
  send(worker: string, message: CoordinatorMessage): void
  sendBulk(worker: string, message: BulkDown): void
  dispatch(event: RunEvent): void
  /** Of the plan at hand. */
  presentEpoch(): number | null
  /** The flaw of one that does not ask who is right. */
  blame(worker: string): void
}

/** What the arithmetic of a reduction takes. */
const reduceMs = 0.5

/** `coordinator/run/training.ts` in virtual time: plans leave, partials arrive, directions go out. */
export class ModelTraining {
  readonly #options: ModelTrainingOptions
  readonly #reducer: ModelReducer
  readonly #feedback: ErrorFeedback
  /** Released, or about to be. */
  #reduction: Reduction | null = null
  /** Waits for its audit. */
  #awaiting: Reduction | null = null
  #audit: Audit | null = null

  constructor(options: ModelTrainingOptions) {
    const { cluster, process, dispatch } = options
    const { job } = cluster.scenario
    this.#options = options
    this.#feedback = new ErrorFeedback(lengthOf(job))
    this.#reducer = new ModelReducer({
      job,
      flaw: cluster.world.flaw,
      onDelivered: (part) => dispatch({ type: 'delivered', ...part }),
      onReduced: (reduction) => process.after(reduceMs, () => this.#onReduced(reduction)),
    })
  }

  plan({ epoch, step, ranges, slices, audits }: CommandOf<'plan'>): void {
    const { cluster, send } = this.#options
    const { world, scenario } = cluster
    world.onMoment('planned')
    if (audits) cluster.auditedEpochs.add(epoch)
    const counts = { channels: scenario.job.channels, microBatches: scenario.job.microBatches }
    const isChecked = audits !== null && world.flaw !== 'ignoresAudits'
    const isNotEmpty = ({ start, end }: { start: number; end: number }) => end > start
    this.#audit = isChecked ? new Audit(epoch, ranges.filter(isNotEmpty), counts) : null
    this.#awaiting = null
    this.#reducer.begin({ epoch, step, ranges, slices })
    for (const { worker, start, end } of ranges) {
      const audited = audits?.find((range) => range.worker === worker)
      const audit = audited ? { start: audited.start, end: audited.end } : null
      send(worker, { type: 'assign', epoch, step, start, end, audit, slices })
    }
  }

  assist({ epoch, step, ranges }: CommandOf<'assist'>): void {
    this.#reducer.assist(epoch, ranges)
    for (const { worker, start, end } of ranges) this.#options.send(worker, { type: 'assist', epoch, step, start, end })
  }

  trial({ epoch, step, start, end, workers }: CommandOf<'trial'>): void {
    const { cluster, send } = this.#options
    cluster.auditedEpochs.add(epoch)
    this.#audit = null
    this.#awaiting = null
    for (const worker of workers) send(worker, { type: 'assign', epoch, step, start: 0, end: 0, audit: { start, end }, slices: null })
  }

  release({ epoch, step, workers }: CommandOf<'release'>): void {
    const { cluster, send, sendBulk } = this.#options
    const { losses, norms, updateNorm, coefficients, direction } = this.#reduction as Reduction
    const figures = { losses, norms, updateNorm }
    cluster.world.onMoment('released')
    if (direction === null) {
      for (const worker of workers) send(worker, { type: 'combine', epoch, step, coefficients, to: workers, figures })
      return
    }
    const { isExact } = cluster.scenario.settings
    const values = isExact ? direction : fromBf16(Buffer.from(this.#feedback.encode(direction)))
    for (const worker of workers) sendBulk(worker, { type: 'direction', step, values: values.slice(), figures })
  }

  onPartial(worker: string, { epoch, step, partial, sha256, computeMs }: Extract<BulkUp, { type: 'partial' }>): void {
    const { channel, node } = partial
    this.#options.cluster.guard(`a partial of ${worker}`, () => this.#reducer.accept(worker, { epoch, step }, partial, computeMs))
    if (this.#audit?.epoch === epoch) this.#claim(worker, step, [{ channel, ...node, sha256 }])
  }

  onComputed(worker: string, message: MessageOf<'computed'>): void {
    this.#options.cluster.guard(`terms of ${worker}`, () => this.#reducer.computed(worker, message))
    if (this.#audit?.epoch === message.epoch) this.#claim(worker, message.step, message.terms)
  }

  onSliced(worker: string, message: MessageOf<'sliced'>): void {
    this.#options.cluster.guard(`a slice of ${worker}`, () => this.#reducer.sliced(worker, message))
  }

  /** In an audit to be compared, in a trial a vote. */
  onAudited(worker: string, { epoch, step, digests }: MessageOf<'audited'>): void {
    if (this.#audit?.epoch === epoch) this.#claim(worker, step, digests)
    else this.#options.dispatch({ type: 'voted', worker, epoch, digest: rangeDigest(digests) })
  }

  #onReduced(reduction: Reduction): void {
    // Another plan took its place.
    if (reduction.epoch !== this.#options.presentEpoch()) return
    this.#awaiting = reduction
    this.#endAudit()
  }

  #endAudit(): void {
    const reduction = this.#awaiting
    if (!reduction || (this.#audit && !this.#audit.isClear)) return
    this.#awaiting = null
    this.#reduction = reduction
    const { epoch, step, losses, norms, updateNorm } = reduction
    this.#options.cluster.world.onMoment('reduced')
    this.#options.dispatch({ type: 'reduced', epoch, step, losses, norms, updateNorm })
  }

  #claim(worker: string, step: number, nodes: readonly NodeDigest[]): void {
    const { cluster, dispatch, blame } = this.#options
    const audit = this.#audit as Audit
    const dispute = audit.claim(worker, nodes)
    if (!dispute) return this.#endAudit()
    if (cluster.world.flaw === 'blamesTheFirst') blame(dispute.claims[0].worker)
    else dispatch({ type: 'disputed', epoch: audit.epoch, step, ...dispute })
  }
}
