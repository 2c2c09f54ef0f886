import { randomBytes } from 'node:crypto'
import type { Admission } from '../protocol/admission.ts'
import type { Bus } from '../protocol/bus/bus.ts'
import { BusRefused } from '../protocol/bus/refused.ts'
import { upSubject } from '../protocol/bus/subjects.ts'
import { LetheError } from '../protocol/errors.ts'
import type { Job } from '../protocol/job.ts'
import type { RunReport } from '../protocol/report.ts'
import { Control } from './control.ts'
import { Leadership, mayNotLead } from './leadership/lead.ts'
import type { CoordinatorEvent, Log } from './run/events.ts'
import { Run } from './run/run.ts'
import type { RunFolder } from './storage/folder.ts'
import type { RunFile } from './storage/parent.ts'
import { finishedReport, openClusterStore, type RunIdentity, type Store } from './store.ts'

export interface LeaderOptions {
  job: Job
  written: Job
  identity: RunIdentity
  runId: string
  /** Those of the parent checkpoint, and of what measures: classifier and extractors. */
  files: readonly RunFile[]
  folder: RunFolder
  fresh: boolean
  /** Opened already where no other coordinator can lead; null where the journal is on the bus. */
  store: Store | null
  bus: Bus
  cluster: string
  /** Of the bulk sockets; empty where they are at the address of the bus. */
  url: string
  admission: Admission
  expectedWorkers: number
  reducer: 'central' | 'sharded'
  auditEvery: number
  log: Log
  onEvent(event: CoordinatorEvent): void
}

/** A coordinator's life: it stands by until it leads, runs the job, and hands over or ends. */
export class Leader {
  readonly result: Promise<RunReport>
  readonly #options: LeaderOptions
  readonly #leadership: Leadership
  #settle: { resolve(report: RunReport): void; reject(error: LetheError): void } = { resolve() {}, reject() {} }
  #run: Run | null = null
  #store: Store | null = null
  #unlisten: () => void = () => {}
  #isFinished = false
  #ending: LetheError | null = null
  readonly #closing = new AbortController()

  constructor(options: LeaderOptions) {
    this.#options = options
    const { bus, cluster, runId, url, store, log, onEvent } = options
    this.result = new Promise<RunReport>((resolve, reject) => {
      this.#settle = { resolve, reject }
    })
    this.result.catch(() => {})
    this.#leadership = new Leadership({
      bus,
      cluster,
      runId,
      url,
      isAlone: store !== null,
      startsOver: options.fresh,
      log,
      onStandingBy: ({ url, epoch }) => onEvent({ type: 'notice', message: `standing by: ${url} leads (epoch ${epoch})` }),
      onElected: (epoch) => void this.#lead(epoch).catch((error) => this.fail(LetheError.from(error))),
      onSuspended: () => onEvent({ type: 'notice', message: 'the lease on the run could not be renewed: nothing is decided until it is' }),
      onResumed: () => onEvent({ type: 'notice', message: 'the lease on the run holds again' }),
      onDeposed: (error) => this.fail(error),
      onRefused: (error) => this.fail(error),
      onFinished: ({ url }) => void this.#readResult(url).catch((error) => this.fail(LetheError.from(error))),
    })
    if (store === null) onEvent({ type: 'standby' })
  }

  get run(): Run | null {
    return this.#run
  }

  start(): void {
    this.#leadership.start()
    if (this.#options.store === null) void this.#checkRights()
  }

  /** A standby only reads, which workers may too: that its user may not lead, it would learn when the leader is dead. */
  async #checkRights(): Promise<void> {
    const { bus, cluster, runId } = this.#options
    try {
      const heard = await bus.subscribe(upSubject(cluster, runId), () => {})
      heard.unsubscribe()
    } catch (error) {
      // An outage passes, and is seen to elsewhere.
      if (error instanceof BusRefused) this.fail(mayNotLead(cluster, error))
    }
  }

  /** Ends this coordinator with an error; what is durable stays. */
  fail(error: LetheError): void {
    this.#ending ??= error
    if (this.#run) this.#run.fail(error)
    else this.#settle.reject(error)
  }

  /** Once the result is out: workers are told, and whoever stands by. */
  async part(): Promise<void> {
    this.#closing.abort()
    await this.#run?.part()
    this.#unlisten()
    await this.#leadership.stop({ finished: this.#isFinished })
    await this.#closeStore()
  }

  /** A local one belongs to whoever opened it. */
  async #closeStore(): Promise<void> {
    if (this.#options.store === null) await this.#store?.journal.close()
  }

  async #lead(epoch: number): Promise<void> {
    const { folder, job, written, identity, runId, files, bus, cluster, fresh, admission, log, onEvent } = this.#options
    const { coordinator, hasStoodBy } = this.#leadership
    // What a leader did while this one stood by is not what `fresh` was to replace.
    const clear = fresh && !hasStoodBy
    const { signal } = this.#closing
    const store =
      this.#options.store ??
      (await openClusterStore({ folder, job, identity, runId, bus, epoch, coordinator, fresh: clear, signal, logger: log }))
    this.#store = store
    if (this.#ending) return this.#closeStore()
    if (store.history.finished) return this.#finish(store.history.finished.report)
    for (const fingerprint of store.history.admitted) admission.remember(fingerprint)
    const control = new Control({ bus, cluster, runId, epoch, admission, leads: () => this.#leadership.leads, log })
    const { expectedWorkers, reducer, auditEvery } = this.#options
    const run = new Run({
      job,
      written,
      ...identity,
      files,
      folder,
      journal: store.journal,
      history: store.history,
      runId,
      settings: { expectedWorkers, reducer, auditEvery, epoch },
      meshKey: randomBytes(32).toString('hex'),
      leads: () => this.#leadership.leads,
      publish: (address, packet) => control.publish(address, packet),
      log,
      onEvent,
    })
    this.#run = run
    run.result.then(
      (report) => this.#finish(report),
      (error) => this.#settle.reject(error),
    )
    this.#unlisten = await control.listen(run)
    onEvent({ type: 'leading', epoch })
  }

  #finish(report: RunReport): void {
    this.#isFinished = true
    this.#settle.resolve(report)
  }

  /** Another coordinator has finished the run: its report is in the journal. */
  async #readResult(url: string): Promise<void> {
    const report = await finishedReport(this.#options.bus, this.#options.runId)
    this.#options.onEvent({ type: 'notice', message: `${url} has finished the run: checkpoint and report are with that coordinator` })
    this.#settle.resolve(report)
  }
}
