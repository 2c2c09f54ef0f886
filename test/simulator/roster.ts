import { Liveness } from '../../coordinator/net/liveness.ts'
import { Channel } from '../../protocol/channel.ts'
import type { CoordinatorMessage, WorkerMessage } from '../../protocol/messages.ts'
import type { Cluster } from './cluster.ts'
import type { Socket } from './network.ts'
import type { BulkDown, ModelWelcome, UpPacket } from './wire.ts'
import type { ModelWorker } from './worker.ts'
import type { Process } from './world.ts'

export interface RosterOptions {
  cluster: Cluster
  process: Process
  epoch: number
  onMessage(peer: ModelPeer, message: WorkerMessage): void
  onLeft(worker: string, reason: string): void
  patienceMs(worker: string): number | null
  onTick(): void
}

/** One worker as the coordinator sees it. */
export class ModelPeer {
  readonly worker: string
  readonly member: ModelWorker
  readonly memberKey: string
  readonly liveness = new Liveness(tickMs)
  readonly channel: Channel<CoordinatorMessage, WorkerMessage>
  readonly #options: RosterOptions
  socket: Socket | null = null
  isOpen = true

  constructor(options: RosterOptions, worker: string, member: ModelWorker) {
    const { cluster, process, epoch, onMessage } = options
    this.#options = options
    this.worker = worker
    this.member = member
    this.memberKey = `${worker} of ${process.name}.${process.life}`
    const send = (packet: { seq: number; ack: number; body: CoordinatorMessage | null }) =>
      cluster.network.packet(process, member.process, () => member.onDown(this.memberKey, { ...packet, epoch }))
    this.channel = new Channel({ send, deliver: (message) => this.isOpen && onMessage(this, message) })
  }

  send(message: CoordinatorMessage): void {
    if (this.isOpen) this.channel.post(message, this.#options.process.world.now)
  }

  sendBulk(message: BulkDown): void {
    const { socket, member } = this
    const { cluster, process } = this.#options
    if (!socket || !this.isOpen) return
    const ms = message.type === 'state' ? cluster.scenario.stateMs : cluster.world.chance.real()
    socket.send(process, ms, () => member.onBulk(socket, message))
  }
}

const tickMs = 100
const farewellMs = 3000

/** `coordinator/run/roster.ts` in virtual time: the same liveness, the same last words. */
export class ModelRoster {
  readonly #options: RosterOptions
  readonly #peers = new Map<string, ModelPeer>()
  readonly #byInstance = new Map<string, ModelPeer>()
  readonly #byKey = new Map<string, ModelPeer>()
  readonly #leaving = new Map<string, { peer: ModelPeer; until: number }>()
  #joined = 0
  #lastTick: number
  #isBusUp = true
  #isClosed = false

  constructor(options: RosterOptions) {
    this.#options = options
    this.#lastTick = options.process.world.now
    this.#tick()
  }

  get(worker: string): ModelPeer | undefined {
    return this.#peers.get(worker)
  }

  join(instance: string, member: ModelWorker): ModelWelcome | null {
    if (this.#isClosed) return null
    const { epoch, process } = this.#options
    let peer = this.#byInstance.get(instance)
    if (!peer) {
      this.#joined += 1
      peer = new ModelPeer(this.#options, epoch > 1 ? `w${epoch}.${this.#joined}` : `w${this.#joined}`, member)
      this.#peers.set(peer.worker, peer)
      this.#byInstance.set(instance, peer)
      this.#byKey.set(peer.memberKey, peer)
    }
    return { worker: peer.worker, epoch, memberKey: peer.memberKey, meshKey: `${process.name}.${process.life}` }
  }

  joinBulk(socket: Socket, memberKey: string, holdsSession: boolean): boolean {
    const peer = this.#byKey.get(memberKey)
    if (!peer || peer.socket) return false
    peer.socket = socket
    socket.onClose(this.#options.process, () => this.close(peer, 'the connection closed'))
    if (!holdsSession) peer.sendBulk({ type: 'parent' })
    return true
  }

  receive(packet: UpPacket): void {
    const peer = this.#peers.get(packet.worker)
    const known = peer ?? this.#leaving.get(packet.worker)?.peer
    if (known?.memberKey !== packet.memberKey) return
    peer?.liveness.beat(packet.mark)
    const { cluster, process } = this.#options
    cluster.guard(`a packet of ${packet.worker}`, () => known.channel.receive(packet, process.world.now))
    if (packet.body !== null && cluster.world.flaw === 'deliversTwice' && packet.seq > 0 && cluster.isRepeated(packet) && known.isOpen)
      this.#options.onMessage(known, packet.body)
  }

  tell(message: CoordinatorMessage): void {
    for (const peer of this.#peers.values()) peer.send(message)
  }

  setBus(isUp: boolean): void {
    this.#isBusUp = isUp
    if (isUp) for (const { liveness } of this.#peers.values()) liveness.pardon()
  }

  /** Parts with a last word where there is one, else at once. */
  close(peer: ModelPeer, reason: string, lastWord: CoordinatorMessage | null = null): void {
    if (!peer.isOpen) return
    if (lastWord) peer.send(lastWord)
    peer.isOpen = false
    const { process, onLeft } = this.#options
    peer.socket?.close(process)
    this.#peers.delete(peer.worker)
    this.#byKey.delete(peer.memberKey)
    for (const [instance, one] of this.#byInstance) if (one === peer) this.#byInstance.delete(instance)
    if (peer.channel.unacknowledged > 0) this.#leaving.set(peer.worker, { peer, until: process.world.now + farewellMs })
    onLeft(peer.worker, reason)
  }

  /** Ends all memberships. */
  finish(lastWord: CoordinatorMessage | null): void {
    this.#isClosed = true
    for (const peer of [...this.#peers.values()]) this.close(peer, 'the run is over', lastWord)
  }

  get isHeard(): boolean {
    return this.#leaving.size === 0
  }

  #tick(): void {
    const { process, patienceMs, onTick } = this.#options
    const { now } = process.world
    for (const { channel } of this.#peers.values()) channel.tick(now)
    for (const [worker, { peer, until }] of this.#leaving) {
      peer.channel.tick(now)
      if (peer.channel.unacknowledged === 0 || now > until) this.#leaving.delete(worker)
    }
    const elapsedMs = now - this.#lastTick
    this.#lastTick = now
    process.after(tickMs, () => this.#tick())
    if (this.#isClosed) return
    if (this.#isBusUp)
      for (const peer of [...this.#peers.values()]) {
        const reason = peer.liveness.tick(elapsedMs, patienceMs(peer.worker))
        if (reason !== null) this.close(peer, reason)
      }
    onTick()
  }
}
