import { sha256 } from '../../protocol/digest.ts'
import { LetheError } from '../../protocol/errors.ts'
import type { WorkerBulk, WorkerMessage } from '../../protocol/messages.ts'
import { methodOf } from '../../protocol/methods/index.ts'
import type { Picture } from '../../protocol/picture.ts'
import type { RunReport } from '../../protocol/report.ts'
import { heartbeatMs } from '../../protocol/socket.ts'
import { transferFrames } from '../../protocol/transfer.ts'
import { fold, type History, type JournalEvent, resumed } from '../journal/journal.ts'
import { patienceOf } from '../net/liveness.ts'
import type { Peer } from '../net/peer.ts'
import { CentralReducer } from '../reduce/central.ts'
import type { Reducer, Reduction } from '../reduce/reducer.ts'
import { writeReport } from '../report/index.ts'
import { decide } from './decide.ts'
import { type Exported, Exports } from './exports.ts'
import { Mailbox } from './mailbox.ts'
import type { RunOptions } from './options.ts'
import { reportInput, settingsOf } from './result.ts'
import { Roster } from './roster.ts'
import { hasWork, initialState, type Member, type RunCommand, type RunEvent, type RunState } from './state.ts'

interface Settle {
  resolve(report: RunReport): void
  reject(error: LetheError): void
}

/** Failures of workers, without a commit between them, after which the cause is taken to be the job's. */
const maxFailures = 3

/** The thin shell around `decide`: carries its commands out, and turns what sockets, disk and clock say into its events. */
export class Run {
  readonly result: Promise<RunReport>
  readonly #options: RunOptions
  readonly #runId: string
  readonly #exports = new Exports()
  readonly #mailbox: Mailbox
  readonly #roster: Roster
  readonly #events: RunEvent[] = []
  #isDeciding = false
  #state: RunState
  #reason = ''
  #reducer: Reducer | null = null
  #reduction: Reduction | null = null
  #reference: Picture | null = null
  #saving: Promise<void> = Promise.resolve()
  #phase = 'prepare'
  #phaseSince = performance.now()
  #committedAt = performance.now()
  #failures = 0
  #mostWorkers = 0
  #isOver = false
  #ending: LetheError | null = null
  #settle: Settle = { resolve() {}, reject() {} }

  constructor(options: RunOptions) {
    this.#options = options
    this.#runId = sha256(Buffer.from(`${options.jobDigest} ${options.parentSha256}`))
    this.#mailbox = new Mailbox(options.job, this.#exports)
    this.#state = initialState(settingsOf(options.job, options.expectedWorkers), resumed(options.history))
    this.#roster = new Roster({
      welcome: {
        type: 'welcome',
        heartbeatMs,
        runId: this.#runId,
        job: options.job,
        files: options.parent.map(({ path, bytes }) => ({ path, sha256: sha256(bytes), bytes: bytes.byteLength })),
      },
      parent: options.parent,
      onMessage: (peer, message) => this.#onMessage(peer, message),
      onBulk: (peer, message, payload) => this.#onBulk(peer, message, payload),
      limit: (peer, message) => this.#mailbox.limit(peer.worker, this.#memberOf(peer.worker)?.summary, message),
      onLeft: (worker, reason) => this.#onLeft(worker, reason),
      patienceMs: (worker) => this.#patienceMs(worker),
      onTick: () => this.#dispatch({ type: 'tick' }),
    })
    this.result = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject }
    })
    options.onEvent({ type: 'phase', phase: 'prepare', total: 0 })
  }

  get roster(): Roster {
    return this.#roster
  }

  /** Ends the run with this error; what is durable stays. Does nothing once the run is over. */
  fail(error: LetheError): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#options.log.error({ code: error.code }, error.message)
    this.#ending = error
    void this.#settled().finally(() => this.#settle.reject(error))
  }

  /** Parts from the workers, once the result is out. An interrupted run may come back, and they look for it for a while. */
  part(): void {
    if (this.#ending?.code === 'INTERRUPTED') this.#roster.close(this.#ending.message)
    else this.#roster.finish(this.#ending ? `the run failed: ${this.#ending.format()}` : 'the run is finished')
  }

  /** What is being written comes to an end. */
  async #settled(): Promise<void> {
    await this.#saving.catch(() => {})
    await this.#spend().catch(() => {})
  }

  #memberOf(worker: string): Member | undefined {
    return this.#state.members.find((member) => member.worker === worker)
  }

  #patienceMs(worker: string): number | null {
    const isOwing = hasWork(this.#state, worker, (one) => this.#reducer?.awaits(one) ?? false)
    return isOwing ? patienceOf(this.#memberOf(worker)?.speed ?? null) : null
  }

  #dispatch(event: RunEvent): void {
    this.#events.push(event)
    if (this.#isDeciding) return
    this.#isDeciding = true
    try {
      for (let next = this.#events.shift(); next !== undefined && !this.#isOver; next = this.#events.shift()) this.#step(next)
    } catch (error) {
      this.fail(LetheError.from(error))
    } finally {
      this.#isDeciding = false
    }
  }

  #step(event: RunEvent): void {
    const { committed } = this.#state
    const { state, commands, reason } = decide(this.#state, event, performance.now())
    this.#state = state
    // Before the first plan, which needs the reducer.
    if (event.type === 'opened' && this.#memberOf(event.worker)) this.#prepare(event.summary)
    // A replayed step has its time in the journal already.
    if (state.committed !== committed && event.type !== 'committed') this.#committedAt = performance.now()
    if (reason.replace(/\d+/g, '') !== this.#reason.replace(/\d+/g, '')) this.#options.log.info({ phase: state.phase }, reason)
    this.#reason = reason
    for (const command of commands) this.#execute(command)
  }

  /** Runs something that takes time; its failure is the run's. */
  #background(work: Promise<unknown>): void {
    work.catch((error) => this.fail(LetheError.from(error)))
  }

  async #record(event: JournalEvent): Promise<void> {
    fold(this.#options.history, event)
    await this.#options.journal.append(event)
  }

  #execute(command: RunCommand): void {
    switch (command.type) {
      case 'phase':
        this.#enter(command.phase)
        return
      case 'plan':
        this.#plan(command)
        return
      case 'release': {
        const { direction } = this.#reduction as Reduction
        const bytes = new Uint8Array(direction.buffer, direction.byteOffset, direction.byteLength)
        const frames = [...transferFrames({ type: 'direction', step: command.step }, bytes)]
        for (const worker of command.workers) this.#roster.get(worker)?.sendBulkFrames(frames)
        return
      }
      case 'commit':
        this.#commit(command)
        return
      case 'export':
        this.#exports.ask(command.ticket, command.worker)
        this.#roster.get(command.worker)?.send(withoutWorker(command))
        return
      case 'save': {
        // Taken now: the next export takes its place while this one waits for the disk.
        const exported = this.#exports.get(command.ticket)
        this.#saving = this.#saving.then(() => this.#save(exported, command.last))
        this.#background(this.#saving)
        return
      }
      case 'sendState':
        this.#sendState(command)
        return
      case 'evaluate': {
        const ticket = this.#mailbox.issue({ worker: command.worker, phase: command.phase, unit: command.unit })
        this.#roster.get(command.worker)?.send({ type: 'evaluate', ticket, unit: this.#mailbox.units[command.unit] })
        return
      }
      case 'part':
        this.#roster.get(command.worker)?.close(command.reason)
        return
      case 'dismiss':
        this.#roster.get(command.worker)?.fail(new LetheError(command.code, { message: command.message }))
        return
      case 'fail':
        this.fail(new LetheError(command.code, { message: command.message }))
        return
      case 'finish':
        this.#background(this.#finish())
        return
    }
  }

  #enter(phase: RunState['phase']): void {
    this.#background(this.#spend(phase === 'done' ? 'report' : phase))
    this.#committedAt = performance.now()
    if (phase === 'before' || phase === 'after') {
      const units = this.#state.settings.units[phase] > 0 ? this.#mailbox.units : []
      this.#options.onEvent({ type: 'phase', phase, total: units.reduce((sum, { count }) => sum + count, 0) })
    } else if (phase === 'train') {
      const { steps } = this.#state.settings
      this.#options.onEvent({ type: 'phase', phase, total: steps })
      if (this.#state.version > 0) this.#options.onEvent({ type: 'progress', phase, done: this.#state.version, total: steps })
    }
  }

  /** Books the wall time of the phase that ends. */
  async #spend(next = this.#phase): Promise<void> {
    const now = performance.now()
    const event: JournalEvent = { type: 'spent', phase: this.#phase, ms: now - this.#phaseSince }
    this.#phase = next
    this.#phaseSince = now
    await this.#record(event)
  }

  #plan({ epoch, step, ranges }: Extract<RunCommand, { type: 'plan' }>): void {
    const reducer = this.#reducer as Reducer
    const reducing = reducer.begin(epoch, step, ranges).then((reduction) => {
      if (reduction === null) return
      this.#reduction = reduction
      const { losses, norms, updateNorm, computeMs } = reduction
      this.#dispatch({ type: 'reduced', epoch, step, losses, norms, updateNorm, computeMs })
    })
    this.#background(reducing)
    for (const { worker, start, end } of ranges) this.#roster.get(worker)?.send({ type: 'assign', epoch, step, start, end })
  }

  #commit({ version, digest, workers, losses, norms, updateNorm }: Extract<RunCommand, { type: 'commit' }>): void {
    const now = performance.now()
    const stepMs = now - this.#committedAt
    this.#committedAt = now
    this.#failures = 0
    const recorded = this.#record({ type: 'committed', version, digest, workers, losses, norms, updateNorm, stepMs })
    this.#background(recorded.then(() => this.#dispatch({ type: 'committed', version })))
    this.#options.onEvent({ type: 'progress', phase: 'train', done: version, total: this.#state.settings.steps, losses })
  }

  async #save({ version, digest, files, state }: Exported, last: boolean): Promise<void> {
    const { folder } = this.#options
    const saved = await folder.saveCheckpoint(version, files, state, last)
    await this.#record({ type: 'checkpoint', version, digest, ...saved })
    await folder.prune(version)
    this.#dispatch({ type: 'saved', version })
  }

  #sendState({ worker, version, ticket }: Extract<RunCommand, { type: 'sendState' }>): void {
    const { folder, history } = this.#options
    const state = ticket !== null ? this.#exports.get(ticket).state : folder.readState(version, history.checkpoint?.stateSha256 ?? '')
    // Whether or not its reader is still there.
    if (state instanceof Promise) this.#background(state)
    this.#roster.get(worker)?.sendBulk({ type: 'state', version }, state)
  }

  async #finish(): Promise<void> {
    const { job, written, jobDigest, parentSha256, folder, history, log, onEvent } = this.#options
    onEvent({ type: 'phase', phase: 'report', total: 1 })
    const checkpoint =
      job.kind === 'evaluate'
        ? { path: job.model.checkpoint, sha256: parentSha256 }
        : { path: folder.finalCheckpoint, sha256: history.checkpoint?.sha256 ?? '' }
    const [workers, referenceImage] = [this.#mostWorkers, this.#reference]
    const input = reportInput({ job: written, jobDigest, parentSha256, history, checkpoint, workers, referenceImage })
    const report = await writeReport(folder.path, input)
    await this.#record({ type: 'finished', report })
    log.info({ latePartials: this.#reducer?.late ?? 0 }, 'the run is finished')
    if (this.#isOver) return
    this.#isOver = true
    this.#settle.resolve(report)
  }

  #onMessage(peer: Peer, message: WorkerMessage): void {
    const { worker } = peer
    switch (message.type) {
      case 'opened': {
        const { summary, digest, reference } = message
        this.#dispatch({ type: 'opened', worker, summary, digest })
        if (!this.#memberOf(worker)) return
        this.#reference ??= reference
        this.#mostWorkers = Math.max(this.#mostWorkers, this.#state.members.length)
        this.#announce('workerJoined', worker, summary.engine)
        return
      }
      case 'at':
        this.#dispatch({ type: 'at', worker, version: message.version, digest: message.digest })
        return
      case 'failed':
        this.#onFailed(peer, LetheError.fromWire(message.error))
        return
      case 'hello':
      case 'beat':
        return
    }
  }

  /** The first session tells what the job really is. */
  #prepare(summary: History['summary'] & object): void {
    const { history, job } = this.#options
    if (!history.summary) this.#background(this.#record({ type: 'session', summary }))
    if (this.#reducer || job.kind === 'evaluate') return
    this.#reducer = new CentralReducer({
      parameterCount: summary.parameterCount,
      microBatches: this.#state.settings.microBatches,
      method: methodOf(job.method.name),
      methodOptions: job.method,
      clipNorm: job.training.clipNorm,
    })
  }

  #onFailed(peer: Peer, error: LetheError): void {
    this.#failures += 1
    const isNobodyReady = this.#state.members.length === 0
    if (error.code === 'COMPUTE_NOT_FINITE' || isNobodyReady || this.#failures >= maxFailures) {
      this.fail(error)
      return
    }
    this.#options.onEvent({ type: 'notice', message: `${peer.worker} failed: ${error.format()}` })
    peer.close(error.code)
  }

  #onBulk(peer: Peer, message: WorkerBulk, payload: Uint8Array<ArrayBuffer>): void {
    const { worker } = peer
    switch (message.type) {
      case 'partial':
        this.#onPartial(worker, message, payload)
        return
      case 'file':
        this.#exports.addFile({ path: message.path, bytes: payload })
        return
      case 'state': {
        const { ticket, version, digest } = message
        this.#exports.complete(ticket, version, digest, payload)
        this.#dispatch({ type: 'exported', worker, ticket, version, digest })
        return
      }
      case 'evaluation': {
        const { phase, unit } = this.#mailbox.close(worker, message.ticket)
        const { values } = message
        this.#failures = 0
        this.#background(this.#record({ type: 'evaluated', phase, unit, values, images: payload }))
        this.#dispatch({ type: 'evaluated', worker, phase, unit })
        this.#reportEvaluated(phase)
        return
      }
    }
  }

  #onPartial(worker: string, message: Extract<WorkerBulk, { type: 'partial' }>, payload: Uint8Array<ArrayBuffer>): void {
    const { epoch, step, channel, level, index, loss, computeMs } = message
    if (message.runId !== this.#runId) throw new LetheError('CONNECTION_FRAME', { message: `${worker} sent a partial of another run` })
    const gradient = new Float32Array(payload.buffer)
    try {
      this.#reducer?.accept({ worker, epoch, step, channel, node: { level, index }, loss, gradient, computeMs })
    } catch (error) {
      if (error instanceof LetheError && error.code === 'COMPUTE_NOT_FINITE') this.fail(error)
      else throw error
    }
  }

  #reportEvaluated(phase: 'before' | 'after'): void {
    const samples = (units: Iterable<number>) => [...units].reduce((sum, unit) => sum + this.#mailbox.units[unit].count, 0)
    const done = samples(this.#options.history.evaluated[phase].keys())
    this.#options.onEvent({ type: 'progress', phase, done, total: samples(this.#mailbox.units.keys()) })
  }

  #onLeft(worker: string, reason: string): void {
    const isMember = this.#memberOf(worker) !== undefined
    this.#dispatch({ type: 'left', worker, reason })
    if (isMember && !this.#isOver) this.#announce('workerLeft', worker, reason)
  }

  #announce(type: 'workerJoined' | 'workerLeft', worker: string, reason: string): void {
    this.#options.log.info({ worker, reason }, type)
    this.#options.onEvent({ type, worker, reason, workers: this.#state.members.length })
  }
}

function withoutWorker({ worker: _, ...message }: Extract<RunCommand, { type: 'export' }>) {
  return message
}
