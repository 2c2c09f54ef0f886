import type { JournalEvent } from '../../coordinator/journal/journal.ts'
import { fold, type History, resumed } from '../../coordinator/journal/journal.ts'
import { patienceOf } from '../../coordinator/net/liveness.ts'
import { decide } from '../../coordinator/run/decide.ts'
import { hasWork, initialState, type RunCommand, type RunEvent, type RunState } from '../../coordinator/run/state.ts'
import type { WorkerMessage } from '../../protocol/messages.ts'
import type { Cluster } from './cluster.ts'
import type { ModelCoordinator } from './coordinator.ts'
import { digestOf, knownEnd, type ModelState, measure } from './model.ts'
import type { Socket } from './network.ts'
import { type ModelPeer, ModelRoster } from './roster.ts'
import type { ModelJournal } from './store.ts'
import { ModelTraining } from './training.ts'
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

/** `coordinator/run/run.ts` in virtual time: carries out what the product's `decide` says. */
export class ModelRun {
  readonly state: RunState
  readonly roster: ModelRoster
  readonly #options: ModelRunOptions
  readonly #names = new Map<string, ModelWorker>()
  readonly #meshUrls = new Map<string, string | null>()
  readonly #tickets = new Map<number, { worker: string; version: number; unit: number; rewinds: number }>()
  readonly #training: ModelTraining
  #issued = 0
  #events: RunEvent[] = []
  #isDeciding = false
  #isSuspended = false
  #isOver = false
  #asked: { ticket: number; worker: string } | null = null
  #export: { ticket: number; version: number; digest: string; state: ModelState } | null = null
  #saving: (() => void)[] = []
  #reason: string | null = null

  constructor(options: ModelRunOptions) {
    this.#options = options
    const { cluster, coordinator, history, epoch } = options
    const { scenario } = cluster
    this.state = initialState(
      { ...scenario.settings, firstEpoch: epoch * plansPerLeader, isSuccessor: epoch > 1 },
      resumed(history, knownEnd(scenario.job, history.evaluated)),
    )
    this.roster = new ModelRoster({
      cluster,
      process: coordinator.process,
      epoch,
      onMessage: (peer, message) => this.#onMessage(peer, message),
      onLeft: (worker, reason) => this.#onLeft(worker, reason),
      patienceMs: (worker) => (hasWork(this.state, worker) ? patienceOf(this.state.members.get(worker)?.speed ?? null) : null),
      onTick: () => this.dispatch({ type: 'tick' }),
    })
    this.#training = new ModelTraining({
      cluster,
      process: coordinator.process,
      send: (worker, message) => this.roster.get(worker)?.send(message),
      sendBulk: (worker, message) => this.roster.get(worker)?.sendBulk(message),
      dispatch: (event) => this.dispatch(event),
      presentEpoch: () => this.state.plan?.epoch ?? null,
      blame: (worker) => {
        cluster.checks.dismissed(this.#names.get(worker), 'it is the first')
        this.#part(worker, 'it is the first')
      },
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
    while (this.#events.length > 0 && !this.#isOver && this.#mayDecide) this.#step(this.#events.shift() as RunEvent)
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
        return this.#training.plan(command)
      case 'assist':
        if (world.flaw === 'keepsDeadOwners' && cause.type === 'left') return
        return this.#training.assist(command)
      case 'trial':
        return this.#training.trial(command)
      case 'release':
        return this.#training.release(command)
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
        const { worker, version, unit, rewinds } = command
        this.#issued += 1
        this.#tickets.set(this.#issued, { worker, version, unit, rewinds })
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
    const exported =
      ticket === null ? coordinator.disk.get(version)?.state : this.#export?.ticket === ticket ? this.#export.state : undefined
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
        return this.#training.onComputed(worker, message)
      case 'audited':
        return this.#training.onAudited(worker, message)
      case 'sliced':
        return this.#training.onSliced(worker, message)
      case 'gathered':
        return this.dispatch({ type: 'gathered', worker, epoch: message.epoch, digest: message.sha256 })
      case 'leaving':
        return this.dispatch({ type: 'leaving', worker })
      case 'failed':
        return cluster.world.violate('failure', `${worker} failed`)
    }
  }

  onBulk(worker: string, message: BulkUp): void {
    const { cluster } = this.#options
    const peer = this.roster.get(worker)
    if (!peer?.isOpen) return
    const unasked = (what: string) => cluster.world.violate('protocol', `${worker} sent ${what} that it was not asked for`)
    if (!this.state.members.has(worker)) return unasked(`a ${message.type}`)
    switch (message.type) {
      case 'partial':
        return this.#training.onPartial(worker, message)
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
        const { version, unit, rewinds } = ticket
        const { evaluated } = this.#options.history
        // The worker before left after it had answered: its answer is being written.
        if (evaluated.get(version)?.has(unit)) return
        const event: JournalEvent = { type: 'evaluated', version, unit, values: [message.value], widths: [], payload: new Uint8Array(0) }
        return this.#record(event, () => {
          if (knownEnd(cluster.scenario.job, evaluated) === version) this.dispatch({ type: 'enough', version })
          this.dispatch({ type: 'evaluated', worker, version, unit, rewinds })
        })
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
      for (const { worker: holder, version, unit } of this.#tickets.values())
        if (holder === worker) {
          const digest = cluster.reference[version]
          this.#record({ type: 'evaluated', version, unit, values: [measure(digest, unit)], widths: [], payload: new Uint8Array(0) })
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
