import type { LeaderRecord } from '../../protocol/bus/subjects.ts'
import { Channel } from '../../protocol/channel.ts'
import type { CoordinatorMessage, WorkerMessage } from '../../protocol/messages.ts'
import { heartbeatMs } from '../../protocol/socket.ts'
import type { Cluster } from './cluster.ts'
import type { ModelCoordinator } from './coordinator.ts'
import { type MeshMessage, ModelExchange } from './exchange.ts'
import { type Holding, ModelExecutor } from './executor.ts'
import { ModelSession, summaryOf } from './model.ts'
import { Socket } from './network.ts'
import type { BulkDown, BulkUp, DownPacket, ModelWelcome } from './wire.ts'
import { Process } from './world.ts'

/** How this worker differs from a sound one. */
export interface Defect {
  /** One gradient, all gradients, the parameters once, or those that it reads at its start. */
  type: 'gradient' | 'gradients' | 'parameters' | 'parent'
  /** From this step on. */
  step: number
}

interface Stay {
  readonly welcome: ModelWelcome
  readonly coordinator: ModelCoordinator
  readonly channel: Channel<WorkerMessage, CoordinatorMessage>
  socket: Socket | null
  executor: ModelExecutor | null
  exchange: ModelExchange | null
  /** What came before the session was open. */
  readonly early: (() => void)[]
  peers: Map<string, ModelWorker | null>
  readonly arrivedAt: Map<string, number>
  isTicking: boolean
  isOver: boolean
}

const tickMs = 50
const answerMs = 1500
const lastWordMs = 1000
const drainMs = 10_000
const firstPauseMs = 100
const longestPauseMs = 1000

/** A worker process: it finds who leads, joins, computes, and keeps its session when a membership ends. */
export class ModelWorker {
  readonly process: Process
  readonly cluster: Cluster
  readonly defect: Defect | null
  /** Others cannot dial it. */
  readonly isHidden: boolean
  holding: Holding | null = null
  slowness = 1
  /** It is not needed any more: it left, or it was told to go. */
  isGone = false
  #hasErred = false
  #record: LeaderRecord | null = null
  #stay: Stay | null = null
  #isLooking = false
  #attempts = 0
  #pauseMs = firstPauseMs
  #mark = { step: 0, microBatches: 0, bytes: 0 }
  readonly #microMs: number

  constructor(cluster: Cluster, name: string, options: { microMs: number; defect: Defect | null; isHidden: boolean }) {
    this.cluster = cluster
    this.process = new Process(cluster.world, name)
    this.#microMs = options.microMs
    this.defect = options.defect
    this.isHidden = options.isHidden
  }

  get name(): string {
    return this.process.name
  }

  get isSeated(): boolean {
    return this.#stay?.executor != null
  }

  start(): void {
    this.process.start()
    this.#tell('starts')
    this.holding = null
    this.#record = null
    this.#stay = null
    this.#isLooking = false
    this.#pauseMs = firstPauseMs
    this.onRecord()
  }

  kill(isSilent: boolean): void {
    this.#tell(isSilent ? 'loses its power' : 'is killed')
    this.process.end(isSilent)
  }

  breakSocket(): void {
    this.#stay?.socket?.break()
  }

  /** Asked to leave: it does what it has in hand. */
  drain(): void {
    if (!this.process.isAlive || this.isGone) return
    this.#tell('is asked to leave')
    if (!this.#stay?.executor) return this.#leave('leaves at once')
    this.#post(this.#stay, { type: 'leaving', reason: 'asked to' })
    this.process.after(drainMs, () => this.#leave('leaves without a word'))
  }

  /** The record of who leads has changed, or is seen for the first time. */
  onRecord(): void {
    const { network, records } = this.cluster
    network.notice(this.process, () => {
      const record = records.entry?.record
      if (!record || (this.#record && record.epoch < this.#record.epoch)) return
      const isNew = this.#record?.epoch !== record.epoch || this.#record.state !== record.state
      this.#record = record
      if (!isNew) return
      this.#pauseMs = firstPauseMs
      const stay = this.#stay
      if (record.state === 'finished') this.process.after(lastWordMs, () => this.#leave('sees that the run is finished'))
      else if (stay && stay.welcome.epoch !== record.epoch) this.#lose(stay, 'another coordinator leads')
      else this.#look()
    })
  }

  onDown(memberKey: string, packet: DownPacket): void {
    const stay = this.#stay
    if (!stay) return
    const isOurs = stay.welcome.memberKey === memberKey && stay.welcome.epoch === packet.epoch
    if (!isOurs && this.cluster.world.flaw !== 'acceptsOldMemberships') return
    this.cluster.guard(`a packet for ${this.name}`, () => stay.channel.receive(packet, this.process.world.now))
    if (packet.body) this.#keepTicking(stay)
  }

  onMesh(meshKey: string, to: string, message: MeshMessage): void {
    const stay = this.#stay
    if (stay?.welcome.meshKey === meshKey && stay.welcome.worker === to) stay.exchange?.accept(message)
  }

  #tell(what: string): void {
    this.cluster.world.tell(this.name, what)
  }

  #leave(why: string): void {
    if (!this.process.isAlive || this.isGone) return
    this.#tell(why)
    this.isGone = true
    this.#stay?.channel.acknowledge()
    this.process.end()
    this.cluster.onGone()
  }

  #look(): void {
    const record = this.#record
    if (this.#stay || this.#isLooking || record?.state !== 'running') return
    this.#isLooking = true
    this.#attempts += 1
    const attempt = this.#attempts
    const instance = `${this.name}.${this.process.life}.${attempt}`
    this.cluster.hello({ worker: this, instance, epoch: record.epoch }, (coordinator, welcome) => {
      if (attempt !== this.#attempts || !this.#isLooking) return
      if (welcome && welcome.epoch === this.#record?.epoch) {
        this.#isLooking = false
        this.#attend(coordinator, welcome)
      } else this.#retry()
    })
    this.process.after(answerMs, () => attempt === this.#attempts && this.#isLooking && this.#retry())
  }

  #retry(afterMs = 0): void {
    this.#isLooking = true
    this.#attempts += 1
    const attempt = this.#attempts
    this.process.after(afterMs + this.#pauseMs, () => {
      if (attempt !== this.#attempts) return
      this.#isLooking = false
      this.#look()
    })
    this.#pauseMs = Math.min(longestPauseMs, 2 * this.#pauseMs)
  }

  #attend(coordinator: ModelCoordinator, welcome: ModelWelcome): void {
    const { network, world } = this.cluster
    const { epoch, worker, memberKey } = welcome
    const stay: Stay = {
      welcome,
      coordinator,
      channel: new Channel<WorkerMessage, CoordinatorMessage>({
        send: (packet) => {
          const mark = packet.body === null ? { ...this.#mark } : null
          network.packet(this.process, coordinator.process, () => coordinator.onUp({ ...packet, epoch, worker, memberKey, mark }))
        },
        deliver: (message) => this.#onMessage(stay, message),
      }),
      socket: null,
      executor: null,
      exchange: null,
      early: [],
      peers: new Map(),
      arrivedAt: new Map(),
      isTicking: false,
      isOver: false,
    }
    this.#stay = stay
    this.#tell(`is ${worker} of epoch ${epoch}`)
    this.#beat(stay)
    this.process.after(1 + world.chance.real(), () => {
      if (stay.isOver) return
      const socket = coordinator.process.isAlive ? new Socket(world, this.process, coordinator.process) : null
      if (!socket || !coordinator.joinBulk(socket, memberKey, this.holding !== null)) return this.#lose(stay, 'its socket is refused')
      stay.socket = socket
      socket.onClose(this.process, () => this.process.after(lastWordMs, () => this.#lose(stay, 'its socket has closed')))
      if (this.holding) this.#begin(stay)
    })
  }

  #beat(stay: Stay): void {
    if (stay.isOver) return
    stay.channel.acknowledge()
    this.process.after(heartbeatMs, () => this.#beat(stay))
  }

  #keepTicking(stay: Stay): void {
    if (stay.isTicking) return
    stay.isTicking = true
    this.process.after(tickMs, () => {
      stay.isTicking = false
      if (stay.isOver) return
      stay.channel.tick(this.process.world.now)
      if (stay.channel.unacknowledged > 0) this.#keepTicking(stay)
    })
  }

  #post(stay: Stay, message: WorkerMessage): void {
    if (stay.isOver) return
    stay.channel.post(message, this.process.world.now)
    this.#keepTicking(stay)
  }

  #lose(stay: Stay, why: string): void {
    if (stay.isOver) return
    this.#tell(`loses its membership: ${why}`)
    stay.isOver = true
    stay.socket?.close(this.process)
    const busyMs = stay.executor?.stop() ?? 0
    if (this.#stay === stay) this.#stay = null
    this.#retry(busyMs)
  }

  /** Something came on the bulk socket. */
  onBulk(socket: Socket, message: BulkDown): void {
    const stay = this.#stay
    if (!stay || stay.socket !== socket) return
    this.#mark.bytes += 1
    switch (message.type) {
      case 'parent':
        if (this.holding) return
        this.process.after(this.cluster.world.chance.between(5, 60), () => {
          if (stay.isOver || this.holding) return
          this.holding = { session: new ModelSession(this.cluster.scenario.job, this.defect?.type === 'parent' ? 1 : 0), figures: null }
          this.#begin(stay)
        })
        return
      case 'state':
        return this.#whenOpen(stay, () => stay.executor?.load(message.version, message.state, message.figures))
      case 'direction':
        return this.#whenOpen(stay, () => stay.executor?.apply(message.step, message))
      case 'relayed':
        return stay.exchange?.accept(message.message)
    }
  }

  #begin(stay: Stay): void {
    const { scenario, world, checks } = this.cluster
    const holding = this.holding as Holding
    const { session } = holding
    const { reducer, isExact, auditEvery } = scenario.settings
    const { worker } = stay.welcome
    const send = (message: WorkerMessage) => this.#post(stay, message)
    const sendBulk = (message: BulkUp) => {
      this.#mark.bytes += 1
      const ms = message.type === 'state' ? scenario.stateMs : world.chance.real()
      stay.socket?.send(this.process, ms, () => stay.coordinator.onBulk(worker, message))
    }
    if (reducer === 'sharded') {
      const meshSend = (to: string, message: MeshMessage) => this.#sendMesh(stay, to, message, sendBulk)
      stay.exchange = new ModelExchange({ world, job: scenario.job, self: worker, isExact, send: meshSend, report: send })
    }
    stay.executor = new ModelExecutor({
      process: this.process,
      holding,
      exchange: stay.exchange,
      isExact,
      isAudited: auditEvery > 0,
      microMs: () => this.#microMs * this.slowness,
      send,
      sendBulk,
      onMicroBatches: (count) => {
        this.#mark.microBatches += count
        world.onMoment('computed')
      },
      onParameters: (applied) => {
        this.#mark.step = session.step
        this.#tell(applied === null ? `loads version ${session.step}` : `applies step ${applied}: ${session.digest()}`)
        checks.parameters(this, applied)
        world.onMoment('applied')
      },
      errs: (what, at) => this.#errs(what, at),
    })
    const held = session.step === 0 ? null : { version: session.step, digest: session.digest(), figures: holding.figures }
    const meshUrl = this.isHidden ? null : this.name
    const { parentDigest } = session
    send({ type: 'opened', summary: summaryOf(scenario.job), parentDigest, held, reference: null, meshUrl })
    for (const work of stay.early.splice(0)) work()
  }

  /** An audited plan is the only one in which an error of one gradient can be found out. */
  #errs(what: 'gradient' | 'parameters', { epoch, step }: { epoch: number; step: number }): boolean {
    const { defect, cluster } = this
    const isStubborn = defect?.type === 'gradients'
    const kind = isStubborn ? 'gradient' : defect?.type
    if (!defect || kind !== what || step < defect.step || (this.#hasErred && !isStubborn)) return false
    if (what === 'gradient' && !cluster.auditedEpochs.has(epoch)) return false
    // Of two nobody can say who is right for ever.
    if (defect.type !== 'gradient' && cluster.seated < 3) return false
    this.#hasErred = true
    this.#tell(`!! one bit of its ${what} flips in step ${step}`)
    return true
  }

  #sendMesh(stay: Stay, to: string, message: MeshMessage, sendBulk: (message: BulkUp) => void): void {
    const peer = stay.peers.get(to)
    if (!peer) return sendBulk({ type: 'relay', to, message })
    const { world } = this.cluster
    const at = Math.max(stay.arrivedAt.get(to) ?? 0, world.now + 0.2 + 2 * world.chance.real())
    stay.arrivedAt.set(to, at)
    const { life } = peer.process
    const { meshKey } = stay.welcome
    world.after(at - world.now, () => peer.process.receive(life, () => peer.onMesh(meshKey, to, message)))
  }

  #whenOpen(stay: Stay, work: () => void): void {
    if (stay.executor) work()
    else stay.early.push(() => !stay.isOver && work())
  }

  #onMessage(stay: Stay, message: CoordinatorMessage): void {
    if (stay.isOver) return
    switch (message.type) {
      case 'assign':
        return this.#whenOpen(stay, () => stay.executor?.assign(message))
      case 'assist':
        return this.#whenOpen(stay, () => stay.executor?.assist(message))
      case 'combine':
        return this.#whenOpen(stay, () => stay.exchange?.combine(message))
      case 'apply':
        return this.#whenOpen(stay, () => stay.executor?.applyGathered(message))
      case 'export':
        return this.#whenOpen(stay, () => stay.executor?.export(message))
      case 'evaluate':
        return this.#whenOpen(stay, () => stay.executor?.evaluate(message))
      case 'peers':
        stay.peers = new Map(message.peers.map(({ worker, url }) => [worker, url === null ? null : this.cluster.workerAt(url)]))
        return
      case 'restart':
        this.holding = null
        return this.#lose(stay, message.reason)
      case 'finish':
        return this.#leave(`ends: ${message.reason}`)
      case 'fail':
        this.cluster.checks.refused(this, message.error.code, message.error.message)
        return this.#leave(`is told to go: ${message.error.message}`)
    }
  }
}
