import { decide } from '../../coordinator/leadership/decide.ts'
import { type LeadershipCommand, type LeadershipEvent, type LeadershipState, leads, standby } from '../../coordinator/leadership/state.ts'
import { protocolVersion } from '../../protocol/socket.ts'
import type { Cluster } from './cluster.ts'
import type { ModelState } from './model.ts'
import type { Socket } from './network.ts'
import { ModelRun } from './run.ts'
import { ModelJournal } from './store.ts'
import type { BulkUp, ModelWelcome, UpPacket } from './wire.ts'
import type { ModelWorker } from './worker.ts'
import { Process } from './world.ts'

interface SavedState {
  state: ModelState
  sha256: string
}

const tickMs = 50
const runId = 'a'.repeat(64)

/** A coordinator process: it stands by until it leads, runs the job, and hands over or ends. Its disk outlives it, and is its own. */
export class ModelCoordinator {
  readonly process: Process
  readonly cluster: Cluster
  /** States by version. */
  readonly disk = new Map<number, SavedState>()
  run: ModelRun | null = null
  isGone = false
  #state: LeadershipState
  #journal: ModelJournal | null = null
  #tickAt = Number.POSITIVE_INFINITY
  #isStopping = false

  constructor(cluster: Cluster, name: string) {
    this.cluster = cluster
    this.process = new Process(cluster.world, name)
    this.#state = standby({ protocol: protocolVersion, runId, coordinator: '', url: '' }, 0)
    cluster.network.onConnection((isUp) => {
      if (this.process.isAlive) this.process.after(isUp ? cluster.world.chance.between(0, 400) : 5, () => this.run?.roster.setBus(isUp))
    })
  }

  get name(): string {
    return this.process.name
  }

  get leads(): boolean {
    if (!this.process.isAlive) return false
    if (this.cluster.world.flaw === 'trustsItsRole') return this.run !== null && !this.run.isOver
    return leads(this.#state, this.process.world.now)
  }

  get isLeader(): boolean {
    return this.process.isAlive && this.run !== null && !this.run.isOver
  }

  start(): void {
    this.process.start()
    this.run = null
    this.#journal = null
    this.#isStopping = false
    this.#tickAt = Number.POSITIVE_INFINITY
    const coordinator = `${this.name}.${this.process.life}`
    this.#state = standby({ protocol: protocolVersion, runId, coordinator, url: '' }, this.process.world.now)
    this.#tell('starts')
    this.#feed({ type: 'tick' })
  }

  kill(isSilent: boolean): void {
    this.#tell(isSilent ? 'loses its power' : 'is killed')
    this.process.end(isSilent)
  }

  /** Interrupted by its user: the run is handed over to whoever stands by. */
  stop(): void {
    if (!this.process.isAlive || this.#isStopping) return
    this.#tell('is stopped')
    this.#isStopping = true
    this.run?.abandon()
    this.#feed({ type: 'stop', finished: false })
  }

  hello(instance: string, worker: ModelWorker, epoch: number): ModelWelcome | null | 'silence' {
    if (!this.run || !this.leads || this.run.isOver) return 'silence'
    return epoch === this.#state.epoch ? this.run.join(instance, worker) : null
  }

  joinBulk(socket: Socket, memberKey: string, holdsSession: boolean): boolean {
    return this.run?.joinBulk(socket, memberKey, holdsSession) ?? false
  }

  onUp(packet: UpPacket): void {
    if (packet.epoch === this.#state.epoch) this.run?.receive(packet)
  }

  onBulk(worker: string, message: BulkUp): void {
    this.run?.onBulk(worker, message)
  }

  #tell(what: string): void {
    this.process.world.tell(this.name, what)
  }

  #feed(event: LeadershipEvent): void {
    if (!this.process.isAlive || this.#state.role === 'over') return
    const { state, commands, reason } = decide(this.#state, event, this.process.world.now)
    if (state.role !== this.#state.role) this.#tell(`leadership: ${state.role}, ${reason}`)
    this.#state = state
    for (const command of commands) this.#carryOut(command)
    this.#scheduleTick()
  }

  /** Only those of the regular ticks that change something. */
  #scheduleTick(): void {
    const { now } = this.process.world
    const { role, call, next, renewedAt, stop, settings } = this.#state
    if (role === 'over') return
    const due = [
      call ? call.sentAt + settings.answerMs : next.at,
      role === 'leading' ? renewedAt + settings.suspendMs : Number.POSITIVE_INFINITY,
      stop ? stop.since + settings.stopMs : Number.POSITIVE_INFINITY,
    ]
    const at = Math.max(now + 1, Math.ceil(Math.min(...due) / tickMs) * tickMs)
    if (this.#tickAt > now && this.#tickAt <= at) return
    this.#tickAt = at
    this.process.after(at - now, () => {
      if (this.#tickAt !== at) return
      this.#tickAt = Number.POSITIVE_INFINITY
      this.#feed({ type: 'tick' })
    })
  }

  #carryOut(command: LeadershipCommand): void {
    const { network, records, world } = this.cluster
    switch (command.type) {
      case 'read': {
        const { ticket } = command
        return network.call(
          this.process,
          () => records.entry,
          (entry) => this.#feed({ type: 'read', ticket, entry }),
        )
      }
      case 'write': {
        const { ticket, record, revision } = command
        return network.call(
          this.process,
          () => records.write(record, revision),
          (written) => this.#feed(written === null ? { type: 'refused', ticket } : { type: 'written', ticket, revision: written }),
        )
      }
      case 'elected':
        return this.#lead(command.epoch)
      case 'suspended':
        return this.run?.suspend(world.flaw !== 'trustsItsRole')
      case 'resumed':
        return this.run?.suspend(false)
      case 'deposed':
        return this.#onDeposed()
      case 'finished':
        return this.#end('another coordinator has finished the run')
      case 'stopped':
        if (this.#isStopping) return this.#end('has handed over')
        return this.#end('has finished the run')
    }
  }

  #onDeposed(): void {
    if (this.cluster.world.flaw === 'trustsItsRole') return
    this.#tell('is deposed')
    this.run?.abandon()
    this.#journal?.close()
    this.process.end()
    // Whoever runs it starts the command again.
    this.cluster.world.after(this.cluster.world.chance.between(200, 1500), () => this.cluster.startAgain(this))
  }

  #end(why: string): void {
    this.#tell(why)
    const isHandover = this.#isStopping
    this.isGone = !isHandover
    this.process.end()
    if (isHandover) this.cluster.world.after(this.cluster.world.chance.between(500, 3000), () => this.cluster.startAgain(this))
  }

  #lead(epoch: number): void {
    const { cluster, process } = this
    const { network, log, checks, world } = cluster
    const writer = `${this.name}.${process.life}`
    this.#tell(`leads, epoch ${epoch}`)
    checks.elected(epoch, writer)
    world.onMoment('elected')
    const journal = new ModelJournal({ process, network, server: log, writer, epoch, onDeposed: () => this.#onDeposed() })
    this.#journal = journal
    journal.open((history) => {
      if (this.#isStopping) return
      if (history.finished) return this.#feed({ type: 'stop', finished: true })
      const { checkpoint } = history
      const isHere = checkpoint !== null && this.disk.get(checkpoint.version)?.sha256 === checkpoint.stateSha256
      if (!isHere) history.checkpoint = null
      this.run = new ModelRun({ cluster, coordinator: this, journal, history, epoch, onFinished: () => this.#finish() })
    })
  }

  /** Once the workers have heard the last word. */
  #finish(): void {
    if (this.run && !this.run.roster.isHeard) this.process.after(tickMs, () => this.#finish())
    else this.#feed({ type: 'stop', finished: true })
  }
}
