import type { JournalEvent } from '../../coordinator/journal/journal.ts'
import { fold, type History, resumed } from '../../coordinator/journal/journal.ts'
import { patienceOf } from '../../coordinator/net/liveness.ts'
import { Audit, type Dispute, rangeDigest } from '../../coordinator/run/audit.ts'
import { decide } from '../../coordinator/run/decide.ts'
import { hasWork, initialState, type RunCommand, type RunEvent, type RunState } from '../../coordinator/run/state.ts'
import { ErrorFeedback, fromBf16 } from '../../protocol/bf16.ts'
import type { NodeDigest, WorkerMessage } from '../../protocol/messages.ts'
import type { Cluster } from './cluster.ts'
import type { ModelCoordinator } from './coordinator.ts'
import { digestOf, lengthOf, measure, type ModelState } from './model.ts'
import type { Socket } from './network.ts'
import { ModelReducer, type Reduction } from './reduction.ts'
import { type ModelPeer, ModelRoster } from './roster.ts'
import type { ModelJournal } from './store.ts'
import type { BulkUp, ModelWelcome, UpPacket } from './wire.ts'
import type { ModelWorker } from './worker.ts'

type CommandOf<Type extends RunCommand['type']> = Extract<RunCommand, { type: Type }>

const plansPerLeader = 2 ** 20

export interface ModelRunOptions {
  cluster: Cluster
  coordinator: ModelCoordinator
  journal: ModelJournal
  history: History
  epoch: number
  onFinished(): void
}

/** `coordinator/run/run.ts` and `training.ts` in virtual time: carries out what the product's `decide` says. */
export class ModelRun {
  readonly state: RunState
  readonly roster: ModelRoster
  readonly #options: ModelRunOptions
  readonly #names = new Map<string, ModelWorker>()
  readonly #meshUrls = new Map<string, string | null>()
  readonly #tickets = new Map<number, { worker: string; phase: 'before' | 'after'; unit: number }>()
  readonly #reducer: ModelReducer
  readonly #feedback: ErrorFeedback
  #issued = 0
  #events: RunEvent[] = []
  #isDeciding = false
  #isSuspended = false
  #isOver = false
  #reduction: Reduction | null = null
  #awaiting: Reduction | null = null
  #audit: Audit | null = null
  #asked: { ticket: number; worker: string } | null = null
  #export: { ticket: number; version: number; digest: string; state: ModelState } | null = null
  #saving: (() => void)[] = []
  #reason: string | null = null

  constructor(options: ModelRunOptions) {
    this.#options = options
    const { cluster, coordinator, history, epoch } = options
    const { scenario } = cluster
    this.state = initialState({ ...scenario.settings, firstEpoch: epoch * plansPerLeader }, resumed(history))
    this.#feedback = new ErrorFeedback(lengthOf(scenario.job))
    this.#reducer = new ModelReducer({
      job: scenario.job,
      flaw: cluster.world.flaw,
      onDelivered: (part) => this.dispatch({ type: 'delivered', ...part }),
      onReduced: (reduction) => this.#process.after(0.5, () => this.#onReduced(reduction)),
    })
    this.roster = new ModelRoster({
      cluster,
      process: coordinator.process,
      epoch,
      onMessage: (peer, message) => this.#onMessage(peer, message),
      onLeft: (worker, reason) => this.#onLeft(worker, reason),
      patienceMs: (worker) => (hasWork(this.state, worker) ? patienceOf(this.state.members.get(worker)?.speed ?? null) : null),
      onTick: () => this.dispatch({ type: 'tick' }),
    })
  }

  get #process() {
    return this.#options.coordinator.process
  }

  get isOver(): boolean {
    return this.#isOver
  }

  #tell(what: string): void {
    this.#options.cluster.world.tell(this.#process.name, what)
  }

  join(instance: string, member: ModelWorker): ModelWelcome | null {
    const welcome = this.roster.join(instance, member)
    if (welcome) this.#names.set(welcome.worker, member)
    return welcome
  }

  receive(packet: UpPacket): void {
    this.roster.receive(packet)
  }

  joinBulk(socket: Socket, memberKey: string, holdsSession: boolean): boolean {
    return !this.#isOver && this.roster.joinBulk(socket, memberKey, holdsSession)
  }

  suspend(isSuspended: boolean): void {
    this.#isSuspended = isSuspended
    if (!isSuspended) this.dispatch({ type: 'tick' })
  }

  /** This coordinator does not lead any more. */
  abandon(): void {
    this.#isOver = true
    this.roster.finish(null)
  }

  dispatch(event: RunEvent): void {
    this.#events.push(event)
    if (this.#isDeciding || !this.#mayDecide) return
    this.#isDeciding = true
    for (let next = this.#events.shift(); next && !this.#isOver && this.#mayDecide; next = this.#events.shift()) this.#step(next)
    this.#isDeciding = false
  }

  /** A process may wake from a pause in which another one took over: the lease is asked before each decision. */
  get #mayDecide(): boolean {
    return !this.#isSuspended && this.#options.coordinator.leads
  }

  #step(event: RunEvent): void {
    const { world, checks } = this.#options.cluster
    if (world.flaw === 'misleadsLoaders') for (const member of this.state.members.values()) member.stale = -1
    const { commands, reason } = decide(this.state, event, world.now)
    if (world.isTold && reason !== null && reason !== this.#reason) this.#tell(`(${event.type}) ${reason}`)
    this.#reason = reason
    if (event.type === 'opened' && this.state.members.has(event.worker) && !this.#options.history.summary)
      this.#record({ type: 'session', summary: event.summary })
    if (commands.length > 0) checks.commands(this.#options.coordinator)
    for (const command of commands) this.#execute(command, event)
  }

  #execute(command: RunCommand, cause: RunEvent): void {
    const { cluster } = this.#options
    const { world, checks } = cluster
    if (world.isTold && command.type !== 'phase') this.#tell(`${command.type} ${describe(command)}`)
    switch (command.type) {
      case 'phase':
        return this.#tell(`— ${command.phase} —`)
      case 'plan':
        return this.#plan(command)
      case 'assist':
        if (world.flaw === 'keepsDeadOwners' && cause.type === 'left') return
        this.#reducer.assist(command.epoch, command.ranges)
        for (const { worker, ...range } of command.ranges)
          this.roster.get(worker)?.send({ type: 'assist', epoch: command.epoch, step: command.step, ...range })
        return
      case 'trial': {
        const { epoch, step, start, end, workers } = command
        this.#audit = null
        this.#awaiting = null
        for (const worker of workers)
          this.roster.get(worker)?.send({ type: 'assign', epoch, step, start: 0, end: 0, audit: { start, end }, slices: null })
        return
      }
      case 'release':
        return this.#release(command)
      case 'apply':
        for (const worker of command.workers) this.roster.get(worker)?.send({ type: 'apply', epoch: command.epoch, step: command.step })
        return
      case 'commit': {
        const { version } = command
        world.onMoment('committing')
        const committed = () => {
          world.onMoment('committed')
          this.dispatch({ type: 'committed', version })
        }
        const isEarly = world.flaw === 'commitsUnwritten'
        this.#record({ ...command, type: 'committed', stepMs: 0 }, isEarly ? undefined : committed)
        if (isEarly) this.#process.after(0, committed)
        return
      }
      case 'rewind':
        if (world.flaw !== 'forgetsToRewind') this.#record({ type: 'rewound', version: command.version })
        return
      case 'export': {
        const { worker, ...message } = command
        this.#asked = { ticket: command.ticket, worker }
        this.roster.get(worker)?.send(message)
        return
      }
      case 'save':
        return this.#save(command)
      case 'sendState':
        return this.#sendState(command)
      case 'evaluate': {
        const { worker, phase, unit } = command
        this.#issued += 1
        this.#tickets.set(this.#issued, { worker, phase, unit })
        this.roster.get(worker)?.send({ type: 'evaluate', ticket: this.#issued, unit: { metric: 'hits', start: unit, count: 1 } })
        return
      }
      case 'part':
        return this.#part(command.worker, command.reason)
      case 'restart':
        return this.#part(command.worker, command.reason, { type: 'restart', reason: command.reason })
      case 'excuse':
        return this.#part(command.worker, 'it asked to leave', { type: 'finish', reason: 'it asked to leave' })
      case 'dismiss': {
        const { worker, code, message, step } = command
        checks.dismissed(this.#names.get(worker), message)
        if (step !== null) this.#record({ type: 'excluded', worker, host: '', fingerprint: '', step, message })
        return this.#part(worker, message, { type: 'fail', error: { code, message } })
      }
      case 'fail':
        return world.violate('failure', `the run fails: ${command.message}`)
      case 'finish':
        return this.#record({ type: 'finished', report: {} as never }, () => {
          this.#isOver = true
          this.roster.finish({ type: 'finish', reason: 'the run is finished' })
          this.#options.onFinished()
        })
    }
  }

  #part(worker: string, reason: string, lastWord: Parameters<ModelRoster['close']>[2] = null): void {
    const peer = this.roster.get(worker)
    if (peer) this.roster.close(peer, reason, lastWord)
  }

  #record(event: JournalEvent, done?: () => void): void {
    const { journal, history } = this.#options
    fold(history, event)
    journal.append(event, done)
  }

  #plan({ epoch, step, ranges, slices, audits }: CommandOf<'plan'>): void {
    const { cluster } = this.#options
    const { job } = cluster.scenario
    cluster.world.onMoment('planned')
    if (audits) cluster.auditedEpochs.add(epoch)
    const counts = { channels: job.channels, microBatches: job.microBatches }
    const isChecked = audits && cluster.world.flaw !== 'ignoresAudits'
    this.#audit = isChecked ? new Audit(epoch, ranges.filter(({ start, end }) => end > start), counts) : null
    this.#awaiting = null
    this.#reducer.begin({ epoch, step, ranges, slices })
    for (const { worker, start, end } of ranges) {
      const audited = audits?.find((range) => range.worker === worker)
      const audit = audited ? { start: audited.start, end: audited.end } : null
      this.roster.get(worker)?.send({ type: 'assign', epoch, step, start, end, audit, slices })
    }
  }

  #onReduced(reduction: Reduction): void {
    // Another plan took its place.
    if (reduction.epoch !== this.state.plan?.epoch) return
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
    this.dispatch({ type: 'reduced', epoch, step, losses, norms, updateNorm })
  }

  #release({ epoch, step, workers }: CommandOf<'release'>): void {
    const { world, scenario } = this.#options.cluster
    const { losses, norms, updateNorm, coefficients, direction } = this.#reduction as Reduction
    const figures = { losses, norms, updateNorm }
    world.onMoment('released')
    if (direction === null) {
      for (const worker of workers) this.roster.get(worker)?.send({ type: 'combine', epoch, step, coefficients, to: workers, figures })
      return
    }
    const { isExact } = scenario.settings
    const values = isExact ? direction : fromBf16(Buffer.from(this.#feedback.encode(direction)))
    for (const worker of workers) this.roster.get(worker)?.sendBulk({ type: 'direction', step, values: values.slice(), figures })
  }

  #save({ ticket, version }: CommandOf<'save'>): void {
    const { cluster, coordinator } = this.#options
    const exported = this.#export
    if (exported?.ticket !== ticket) return cluster.world.violate('protocol', `export ${ticket} is not there to be saved`)
    cluster.world.onMoment('saving')
    const work = () =>
      this.#process.after(cluster.world.chance.between(1, 40), () => {
        const { digest, state } = exported
        const stateSha256 = `${digest} ${digestOf(state.momenta)}`
        coordinator.disk.set(version, { state, sha256: stateSha256 })
        this.#record({ type: 'checkpoint', version, digest, sha256: digest, stateSha256 }, () => {
          for (const older of [...coordinator.disk.keys()]) if (older !== version) coordinator.disk.delete(older)
          this.#saving.shift()
          this.dispatch({ type: 'saved', version })
          this.#saving[0]?.()
        })
      })
    this.#saving.push(work)
    if (this.#saving.length === 1) work()
  }

  #sendState({ worker, version, ticket }: CommandOf<'sendState'>): void {
    const { cluster, coordinator } = this.#options
    const exported = ticket === null ? coordinator.disk.get(version)?.state : this.#export?.ticket === ticket ? this.#export.state : undefined
    if (!exported) return cluster.world.violate('protocol', `there is no state of version ${version}`)
    const figures = this.state.version === version ? this.state.released : null
    this.roster.get(worker)?.sendBulk({ type: 'state', version, state: exported, figures })
  }

  #onMessage(peer: ModelPeer, message: WorkerMessage): void {
    const { cluster } = this.#options
    const { worker } = peer
    switch (message.type) {
      case 'opened': {
        const { summary, meshUrl } = message
        const { parentDigest, held } = cluster.trusted(message)
        this.dispatch({ type: 'opened', worker, summary, parentDigest, held })
        if (!this.state.members.has(worker)) return
        cluster.world.onMoment('joined')
        this.#meshUrls.set(worker, meshUrl)
        return this.#introduce()
      }
      case 'at':
        return this.dispatch({ type: 'at', worker, version: message.version, digest: message.digest })
      case 'computed':
        cluster.guard('terms', () => this.#reducer.computed(worker, message))
        if (this.#audit?.epoch === message.epoch) this.#claim(worker, message.step, message.terms)
        return
      case 'audited':
        if (this.#audit?.epoch === message.epoch) this.#claim(worker, message.step, message.digests)
        else this.dispatch({ type: 'voted', worker, epoch: message.epoch, digest: rangeDigest(message.digests) })
        return
      case 'sliced':
        return cluster.guard('a slice', () => this.#reducer.sliced(worker, message))
      case 'gathered':
        return this.dispatch({ type: 'gathered', worker, epoch: message.epoch, digest: message.sha256 })
      case 'leaving':
        return this.dispatch({ type: 'leaving', worker })
      case 'failed':
        return cluster.world.violate('failure', `${worker} failed`)
    }
  }

  #claim(worker: string, step: number, nodes: readonly NodeDigest[]): void {
    const audit = this.#audit as Audit
    const dispute = audit.claim(worker, nodes)
    if (dispute) this.#dispute(audit.epoch, step, dispute)
    else this.#endAudit()
  }

  #dispute(epoch: number, step: number, dispute: Dispute): void {
    if (this.#options.cluster.world.flaw === 'blamesTheFirst') {
      const [first] = dispute.claims
      this.#options.cluster.checks.dismissed(this.#names.get(first.worker), 'it is the first')
      return this.#part(first.worker, 'it is the first')
    }
    this.dispatch({ type: 'disputed', epoch, step, ...dispute })
  }

  onBulk(worker: string, message: BulkUp): void {
    const { cluster } = this.#options
    const peer = this.roster.get(worker)
    if (!peer?.isOpen) return
    const unasked = (what: string) => cluster.world.violate('protocol', `${worker} sent ${what} that it was not asked for`)
    if (!this.state.members.has(worker)) return unasked(`a ${message.type}`)
    switch (message.type) {
      case 'partial': {
        const { epoch, step, partial, sha256, computeMs } = message
        const { channel, node } = partial
        cluster.guard(`a partial of ${worker}`, () => this.#reducer.accept(worker, { epoch, step }, partial, computeMs))
        if (this.#audit?.epoch === epoch) this.#claim(worker, step, [{ channel, ...node, sha256 }])
        return
      }
      case 'relay':
        this.roster.get(message.to)?.sendBulk({ type: 'relayed', message: message.message })
        return
      case 'state': {
        const { ticket, version, digest, state } = message
        if (this.#asked?.ticket !== ticket || this.#asked.worker !== worker) return unasked(`export ${ticket}`)
        this.#asked = null
        this.#export = { ticket, version, digest, state }
        cluster.world.onMoment('exported')
        return this.dispatch({ type: 'exported', worker, ticket, version, digest })
      }
      case 'evaluation': {
        const ticket = this.#tickets.get(message.ticket)
        if (ticket?.worker !== worker) return unasked('a measurement')
        this.#tickets.delete(message.ticket)
        const { phase, unit } = ticket
        const evaluated = () => this.dispatch({ type: 'evaluated', worker, phase, unit })
        // The worker left after it had answered, and the unit was given out once more.
        if (this.#options.history.evaluated[phase].has(unit)) return evaluated()
        return this.#record({ type: 'evaluated', phase, unit, values: [message.value], images: new Uint8Array(0) }, evaluated)
      }
    }
  }

  #introduce(): void {
    if (this.#options.cluster.scenario.settings.reducer !== 'sharded') return
    this.roster.tell({ type: 'peers', peers: [...this.#meshUrls].map(([worker, url]) => ({ worker, url })) })
  }

  #onLeft(worker: string, reason: string): void {
    this.#tell(`${worker} has left: ${reason}`)
    const { cluster } = this.#options
    if (cluster.world.flaw === 'measuresTwice')
      for (const { worker: holder, phase, unit } of this.#tickets.values())
        if (holder === worker) {
          const digest = cluster.reference[phase === 'before' ? 0 : cluster.scenario.job.steps]
          this.#record({ type: 'evaluated', phase, unit, values: [measure(digest, unit)], images: new Uint8Array(0) })
        }
    const isKnown = this.#meshUrls.delete(worker)
    this.dispatch({ type: 'left', worker, reason })
    if (isKnown && !this.#isOver) this.#introduce()
  }
}

function describe(command: RunCommand): string {
  const { type: _, ...rest } = command
  return JSON.stringify(rest, (key, value) => (key === 'losses' || key === 'norms' ? undefined : value)).replaceAll('"', '')
}
