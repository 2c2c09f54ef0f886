import type { WebSocket } from 'ws'
import { LetheError } from '../../protocol/errors.ts'
import type { SessionSummary, UpPacket, Welcome, WorkerBulk, WorkerMessage } from '../../protocol/messages.ts'
import type { RunReport } from '../../protocol/report.ts'
import { heartbeatMs } from '../../protocol/socket.ts'
import { resumed } from '../journal/journal.ts'
import { patienceOf } from '../net/liveness.ts'
import type { Peer } from '../net/peer.ts'
import { writeReport } from '../report/index.ts'
import { Attendance, checkSession } from './attendance.ts'
import { Books } from './books.ts'
import { decide } from './decide.ts'
import { type Exported, Exports } from './exports.ts'
import { Mailbox } from './mailbox.ts'
import { Measuring } from './measuring.ts'
import type { RunOptions } from './options.ts'
import { reportInput, settingsOf } from './result.ts'
import { Roster } from './roster.ts'
import { hasWork, initialState, type Member, type RunCommand, type RunEvent, type RunState } from './state.ts'
import { endOf } from './stops.ts'
import { Training } from './training.ts'

type CommandOf<Type extends RunCommand['type']> = Extract<RunCommand, { type: Type }>

interface Settle {
  resolve(report: RunReport): void
  reject(error: LetheError): void
}

/** What is still being written when a run ends has so long; a bus that is away would keep it waiting for ever. */
const settleMs = 2000

/** Errors that no other coordinator would be spared: workers need not wait for one. */
const isOfJob = ({ code }: LetheError) => /^(COMPUTE|DATA|CHECKPOINT|EXTRACTOR|JOB)_/.test(code) || code === 'RUN_NO_WORKERS'

/** The thin shell around `decide`: carries its commands out, and turns what sockets, disk and clock say into its events. */
export class Run {
  readonly result: Promise<RunReport>
  readonly #options: RunOptions
  readonly #books: Books
  readonly #exports = new Exports()
  readonly #mailbox: Mailbox
  readonly #measuring: Measuring
  readonly #roster: Roster
  readonly #state: RunState
  readonly #events: RunEvent[] = []
  readonly #attendance = new Attendance()
  #isDeciding = false
  #reason = ''
  #training: Training | null = null
  #saving: Promise<void> = Promise.resolve()
  #isOver = false
  #ending: LetheError | null = null
  #settle: Settle = { resolve() {}, reject() {} }

  constructor(options: RunOptions) {
    this.#options = options
    this.#books = new Books(options.journal, options.history)
    this.#mailbox = new Mailbox(options.job, this.#exports, options.settings.reducer === 'sharded')
    const { job, onEvent } = options
    this.#measuring = new Measuring({
      job,
      onEvent,
      books: this.#books,
      mailbox: this.#mailbox,
      dispatch: (event) => this.#dispatch(event),
    })
    this.#state = initialState(settingsOf(options.job, options.settings), resumed(options.history, endOf(options.job, options.history)))
    this.#roster = new Roster({
      welcome: {
        type: 'welcome',
        heartbeatMs,
        runId: options.runId,
        job: options.job,
        files: options.files.map(({ path, sha256, bytes }) => ({ path, sha256, bytes: bytes.byteLength })),
        reducer: options.settings.reducer,
        meshKey: options.meshKey,
      },
      files: options.files,
      epoch: options.settings.epoch,
      publish: options.publish,
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

  /** A worker that was admitted; the answer is for it alone. */
  join(who: { instance: string; host: string; fingerprint: string }): Welcome {
    const { fingerprint, host } = who
    const fault = this.#options.history.faults.find((one) => one.fingerprint === fingerprint)
    if (fault) throw new LetheError('COMPUTE_DIGEST', { message: `this worker was sent away: ${fault.message}` })
    if (!this.#options.history.admitted.has(fingerprint)) this.#background(this.#books.record({ type: 'admitted', fingerprint, host }))
    return this.#roster.join(who)
  }

  receive(packet: UpPacket): void {
    this.#roster.receive(packet)
  }

  isExpected(memberKey: string): boolean {
    return this.#roster.isExpected(memberKey)
  }

  joinBulk(socket: WebSocket, memberKey: string, holdsSession: boolean): boolean {
    return this.#roster.joinBulk(socket, memberKey, holdsSession)
  }

  /** The bus is away, or back. */
  setBus(isUp: boolean): void {
    this.#roster.setBus(isUp)
  }

  /** Ends the run with this error; what is durable stays. Does nothing once the run is over. */
  fail(error: LetheError): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#options.log.error({ code: error.code }, error.message)
    this.#ending = error
    void this.#settled().finally(() => this.#settle.reject(error))
  }

  /** Parts from the workers, once the result is out. Where another coordinator may go on, they keep what they hold and look for it. */
  async part(): Promise<void> {
    if (this.#ending && !isOfJob(this.#ending)) this.#roster.close(this.#ending.message)
    else await this.#roster.finish(this.#ending ? `the run failed: ${this.#ending.format()}` : 'the run is finished')
  }

  /** What is being written comes to an end. */
  async #settled(): Promise<void> {
    const written = this.#saving.catch(() => {}).then(() => (this.#ending?.code === 'RUN_DEPOSED' ? undefined : this.#books.spend()))
    await Promise.race([written.catch(() => {}), new Promise((resolve) => setTimeout(resolve, settleMs).unref())])
  }

  #memberOf(worker: string): Member | undefined {
    return this.#state.members.get(worker)
  }

  #patienceMs(worker: string): number | null {
    return hasWork(this.#state, worker) ? patienceOf(this.#memberOf(worker)?.speed ?? null) : null
  }

  #dispatch(event: RunEvent): void {
    this.#events.push(event)
    // While it is not certain that this coordinator still leads, as after a pause, what happens is kept.
    if (this.#isDeciding || !this.#options.leads()) return
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
    const { commands, reason } = decide(this.#state, event, performance.now())
    // Before the first plan, which needs the reducer.
    if (event.type === 'opened' && this.#memberOf(event.worker)) this.#welcome(event)
    // A replayed step has its time in the journal already.
    if (this.#state.committed !== committed && event.type !== 'committed') this.#books.restartClock()
    if (reason !== null) {
      if (reason.replace(/\d+/g, '') !== this.#reason.replace(/\d+/g, '')) this.#options.log.info({ phase: this.#state.phase }, reason)
      this.#reason = reason
    }
    for (const command of commands) this.#execute(command)
  }

  /** Runs something that takes time; its failure is the run's. */
  #background(work: Promise<unknown>): void {
    work.catch((error) => this.fail(LetheError.from(error)))
  }

  #execute(command: RunCommand): void {
    const training = this.#training as Training
    switch (command.type) {
      case 'phase':
        return this.#enter(command.phase)
      case 'plan':
        this.#options.onEvent({ type: 'planned', step: command.step, epoch: command.epoch })
        this.#introduce()
        return training.plan(command)
      case 'assist':
        return training.assist(command)
      case 'trial':
        return training.trial(command)
      case 'release':
        this.#introduce()
        return training.release(command)
      case 'apply':
        return training.apply(command)
      case 'commit':
        return this.#commit(command)
      case 'rewind':
        return this.#background(this.#books.record({ type: 'rewound', version: command.version }))
      case 'export': {
        const { worker, ...message } = command
        this.#exports.ask(command.ticket, worker)
        return this.#roster.get(worker)?.send(message)
      }
      case 'save': {
        // Taken now: the next export takes its place while this one waits for the disk.
        const exported = this.#exports.get(command.ticket)
        this.#saving = this.#saving.then(() => this.#save(exported, command.last))
        return this.#background(this.#saving)
      }
      case 'sendState':
        return this.#sendState(command)
      case 'evaluate': {
        const { worker, unit } = command
        return this.#roster.get(worker)?.send({ type: 'evaluate', ticket: this.#mailbox.issue(command), unit: this.#mailbox.units[unit] })
      }
      case 'part':
        return this.#roster.get(command.worker)?.close(command.reason)
      case 'restart':
        return this.#roster.get(command.worker)?.restart(command.reason)
      case 'excuse':
        return this.#roster.get(command.worker)?.finish('it asked to leave')
      case 'dismiss':
        return this.#dismiss(command)
      case 'fail':
        return this.fail(new LetheError(command.code, { message: command.message }))
      case 'finish':
        return this.#background(this.#finish())
    }
  }

  #enter(phase: RunState['phase']): void {
    this.#background(this.#books.spend(phase === 'done' ? 'report' : phase))
    this.#books.restartClock()
    const { onEvent } = this.#options
    if (phase === 'measure') onEvent({ type: 'phase', phase, total: this.#mailbox.samples() })
    if (phase !== 'train') return
    const { version, settings } = this.#state
    onEvent({ type: 'phase', phase, total: settings.steps })
    if (version > 0) onEvent({ type: 'progress', phase, done: version, total: settings.steps })
  }

  #commit({ type: _, ...step }: CommandOf<'commit'>): void {
    this.#attendance.progressed()
    const { version, losses } = step
    this.#background(
      this.#books
        .commit({ ...step, peakMemoryBytes: this.#attendance.peakMemoryBytes })
        .then(() => this.#dispatch({ type: 'committed', version })),
    )
    this.#options.onEvent({ type: 'progress', phase: 'train', done: version, total: this.#state.settings.steps, losses })
  }

  /** Names a worker that computes or reads something else, for the user, the journal and itself. */
  #dismiss({ worker, code, message, step }: CommandOf<'dismiss'>): void {
    const identity = this.#roster.identityOf(worker)
    // It may have come back under another name.
    const peer = this.#roster.get(worker) ?? this.#roster.peers.find(({ fingerprint }) => fingerprint === identity.fingerprint)
    if (step !== null) {
      const { host, fingerprint } = identity
      this.#background(this.#books.record({ type: 'excluded', worker, host, fingerprint, step, message }))
    }
    this.#options.onEvent({ type: 'notice', message })
    this.#options.log.warn({ worker, code }, message)
    peer?.fail(new LetheError(code, { message }))
  }

  async #save({ version, digest, files, state }: Exported, last: boolean): Promise<void> {
    const saved = await this.#options.folder.saveCheckpoint(version, files, state, last)
    await this.#books.record({ type: 'checkpoint', version, digest, ...saved })
    await this.#options.folder.prune(version)
    this.#dispatch({ type: 'saved', version })
  }

  #sendState({ worker, version, ticket }: CommandOf<'sendState'>): void {
    const { folder, history } = this.#options
    const state = ticket !== null ? this.#exports.get(ticket).state : folder.readState(version, history.checkpoint?.stateSha256 ?? '')
    // Whether or not its reader is still there.
    if (state instanceof Promise) this.#background(state)
    const figures = this.#state.version === version ? this.#state.released : null
    void this.#roster.get(worker)?.sendBulk({ type: 'state', version, figures }, state)
  }

  async #finish(): Promise<void> {
    const { folder, log, onEvent } = this.#options
    onEvent({ type: 'phase', phase: 'report', total: 1 })
    const report = await writeReport(folder.path, reportInput(this.#options, this.#attendance))
    await this.#books.record({ type: 'finished', report })
    log.info({ late: this.#training?.late ?? 0 }, 'the run is finished')
    if (this.#isOver) return
    this.#isOver = true
    this.#settle.resolve(report)
  }

  #onMessage(peer: Peer, message: WorkerMessage): void {
    const { worker } = peer
    switch (message.type) {
      case 'opened': {
        const { summary, parentDigest, held } = message
        checkSession(worker, summary, this.#options.history.summary)
        this.#attendance.note(worker, message)
        return this.#dispatch({ type: 'opened', worker, summary, parentDigest, held })
      }
      case 'at':
        this.#attendance.needed(message.peakMemoryBytes ?? 0)
        return this.#dispatch({ type: 'at', worker, version: message.version, digest: message.digest })
      case 'computed':
        return this.#training?.onComputed(worker, message)
      case 'audited':
        return this.#training?.onAudited(worker, message)
      case 'sliced':
        return this.#training?.onSliced(worker, message)
      case 'gathered':
        return this.#dispatch({ type: 'gathered', worker, epoch: message.epoch, digest: message.sha256 })
      case 'leaving':
        this.#options.onEvent({ type: 'notice', message: `${worker} is leaving: ${message.reason}` })
        return this.#dispatch({ type: 'leaving', worker })
      case 'failed':
        return this.#onFailed(peer, LetheError.fromWire(message.error))
    }
  }

  /** A worker has become a member. */
  #welcome({ worker, summary }: Extract<RunEvent, { type: 'opened' }>): void {
    if (this.#attendance.has(worker)) return
    this.#prepare(summary)
    this.#attendance.join(worker, this.#state.members.size)
    this.#announce('workerJoined', worker, summary.engine)
  }

  /** Workers that reduce among themselves must know where the others are, before they send anything; not at every coming and going. */
  #introduce(): void {
    if (this.#options.settings.reducer === 'sharded' && this.#attendance.hasChanged())
      this.#roster.tell({ type: 'peers', peers: this.#attendance.peers })
  }

  /** The first session tells what the job really is. */
  #prepare(summary: SessionSummary): void {
    const { history, job, runId } = this.#options
    if (!history.summary) this.#background(this.#books.record({ type: 'session', summary }))
    if (this.#training || job.kind === 'evaluate') return
    this.#training = new Training({
      job,
      runId,
      summary,
      settings: this.#state.settings,
      peer: (worker) => this.#roster.get(worker),
      dispatch: (event) => this.#dispatch(event),
      background: (work) => this.#background(work),
      fail: (error) => this.fail(error),
    })
  }

  #onFailed(peer: Peer, error: LetheError): void {
    const isMember = this.#memberOf(peer.worker) !== undefined
    if (this.#attendance.isOfRun(error, { isMember, members: this.#state.members.size })) return this.fail(error)
    this.#options.onEvent({ type: 'notice', message: `${peer.worker} failed: ${error.format()}` })
    peer.close(error.code)
  }

  #onBulk(peer: Peer, message: WorkerBulk, payload: Uint8Array<ArrayBuffer>): void {
    const { worker } = peer
    switch (message.type) {
      case 'partial':
        return this.#training?.onPartial(worker, message, payload)
      case 'relay':
        void this.#roster.get(message.to)?.sendBulk({ type: 'relayed', from: worker, message: message.message }, payload)
        return
      case 'file':
        return this.#exports.addFile({ path: message.path, bytes: payload })
      case 'state': {
        const { ticket, version, digest } = message
        this.#exports.complete(ticket, version, digest, payload)
        return this.#dispatch({ type: 'exported', worker, ticket, version, digest })
      }
      case 'evaluation':
        this.#attendance.progressed()
        return this.#background(this.#measuring.take(this.#mailbox.close(worker, message.ticket), message, payload))
    }
  }

  #onLeft(worker: string, reason: string): void {
    const isMember = this.#attendance.has(worker)
    this.#attendance.leave(worker)
    this.#dispatch({ type: 'left', worker, reason })
    if (isMember && !this.#isOver) this.#announce('workerLeft', worker, reason)
  }

  #announce(type: 'workerJoined' | 'workerLeft', worker: string, reason: string): void {
    this.#options.log.info({ worker, reason }, type)
    this.#options.onEvent({ type, worker, reason, workers: this.#state.members.size })
  }
}
