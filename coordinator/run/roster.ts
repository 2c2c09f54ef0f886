import type { WebSocket } from 'ws'
import { type FileBytes, sha256 } from '../../protocol/digest.ts'
import { LetheError } from '../../protocol/errors.ts'
import type { CoordinatorMessage, DownPacket, UpPacket, Welcome, WorkerBulk, WorkerMessage } from '../../protocol/messages.ts'
import { isSameKey } from '../../protocol/secret.ts'
import { Liveness } from '../net/liveness.ts'
import { Peer } from '../net/peer.ts'

export interface RosterOptions {
  /** Sent to every newcomer, with what is its own. */
  welcome: Omit<Welcome, 'worker' | 'memberKey' | 'address'>
  /** Those of the parent checkpoint, and of what measures: classifier and extractors. */
  files: readonly FileBytes[]
  /** First part of the names of workers, so that those of one leader are not those of another. */
  epoch: number
  publish(address: string, packet: Omit<DownPacket, 'epoch'>): void
  onMessage(peer: Peer, message: WorkerMessage): void
  onBulk(peer: Peer, message: WorkerBulk, payload: Uint8Array<ArrayBuffer>): void
  limit(peer: Peer, message: WorkerBulk): number
  onLeft(worker: string, reason: string): void
  /** How long this worker may stand still; null while nothing is asked of it. */
  patienceMs(worker: string): number | null
  onTick(): void
}

interface Entry {
  peer: Peer
  liveness: Liveness
  instance: string
}

/** A worker that has left is still answered until its last word has arrived, but no longer than this. */
const farewellMs = 3000
const channelTickMs = 50
/** Whoever joins again and again must not fill the memory. */
const rememberedIdentities = 2048
const tickMs = 100

/** Who is connected, and who is alive. */
export class Roster {
  readonly #options: RosterOptions
  readonly #entries = new Map<string, Entry>()
  readonly #byKey = new Map<string, Entry>()
  readonly #byInstance = new Map<string, Entry>()
  readonly #leaving = new Map<string, { peer: Peer; until: number }>()
  readonly #timers: NodeJS.Timeout[]
  /** Also of those who have left, the latest of them: what a worker did may be found out later. */
  readonly #identities = new Map<string, { host: string; fingerprint: string }>()
  #joined = 0
  #lastTick = performance.now()
  #isBusUp = true
  #isClosed = false

  constructor(options: RosterOptions) {
    this.#options = options
    this.#timers = [setInterval(() => this.#tickChannels(), channelTickMs), setInterval(() => this.#tick(), tickMs)]
  }

  get(worker: string): Peer | undefined {
    return this.#entries.get(worker)?.peer
  }

  identityOf(worker: string): { host: string; fingerprint: string } {
    return this.#identities.get(worker) ?? { host: '', fingerprint: '' }
  }

  get peers(): Peer[] {
    return [...this.#entries.values()].map(({ peer }) => peer)
  }

  /** Asked again with the same instance, the answer is the same. */
  join({ instance, host, fingerprint }: { instance: string; host: string; fingerprint: string }): Welcome {
    if (this.#isClosed) throw new LetheError('CONNECTION_REFUSED', { message: 'the run is over' })
    const known = this.#byInstance.get(instance)
    if (known) return this.#welcome(known.peer)
    this.#joined += 1
    const { onMessage, onBulk, limit, publish, epoch } = this.#options
    const name = epoch > 1 ? `w${epoch}.${this.#joined}` : `w${this.#joined}`
    const peer = new Peer(
      name,
      { fingerprint, host },
      {
        publish: (one, packet) => publish(one.address, packet),
        onMessage,
        onBulk,
        limit,
        onReady: (one, holdsSession) => {
          if (holdsSession) return
          for (const { path, bytes } of this.#options.files) void one.sendBulk({ type: 'file', path }, bytes)
        },
        onClose: (one, reason) => this.#onClose(one, reason),
      },
    )
    const entry = { peer, liveness: new Liveness(tickMs), instance }
    this.#entries.set(peer.worker, entry)
    this.#remember(peer.worker, { host, fingerprint })
    this.#byKey.set(sha256(Buffer.from(peer.memberKey)), entry)
    this.#byInstance.set(instance, entry)
    return this.#welcome(peer)
  }

  #remember(worker: string, identity: { host: string; fingerprint: string }): void {
    this.#identities.set(worker, identity)
    if (this.#identities.size <= rememberedIdentities) return
    for (const name of this.#identities.keys()) if (!this.#entries.has(name)) return void this.#identities.delete(name)
  }

  #welcome({ worker, memberKey, address }: Peer): Welcome {
    return { ...this.#options.welcome, worker, memberKey, address }
  }

  /** A packet from the bus; one that does not know the worker's key is nobody's. */
  receive(packet: UpPacket): void {
    const entry = this.#entries.get(packet.worker)
    const peer = entry?.peer ?? this.#leaving.get(packet.worker)?.peer
    if (!peer || !isSameKey(packet.memberKey, peer.memberKey)) return
    entry?.liveness.beat(packet.mark)
    peer.receive(packet)
  }

  /** Is this the key of a worker without a bulk socket? */
  isExpected(memberKey: string): boolean {
    return this.#byKey.get(sha256(Buffer.from(memberKey)))?.peer.hasBulk === false
  }

  joinBulk(bulk: WebSocket, memberKey: string, holdsSession: boolean): boolean {
    const entry = this.#byKey.get(sha256(Buffer.from(memberKey)))
    if (!entry || entry.peer.hasBulk) return false
    entry.peer.attachBulk(bulk, holdsSession)
    return true
  }

  tell(message: CoordinatorMessage): void {
    for (const { peer } of this.#entries.values()) peer.send(message)
  }

  /** While the bus is away nobody is silent. */
  setBus(isUp: boolean): void {
    this.#isBusUp = isUp
    if (isUp) for (const { liveness } of this.#entries.values()) liveness.pardon()
  }

  /** Resolves when the last word has arrived, or patience has ended. */
  async finish(reason: string): Promise<void> {
    this.#end((peer) => peer.finish(reason))
    const until = performance.now() + farewellMs
    while (performance.now() < until && [...this.#leaving.values()].some(({ peer }) => !peer.isHeard))
      await new Promise((resolve) => setTimeout(resolve, channelTickMs))
    this.#stop()
  }

  /** Parts without a word: workers look for the coordinator for a while, it may come back. */
  close(reason: string): void {
    this.#end((peer) => peer.close(reason))
    this.#stop()
  }

  #stop(): void {
    for (const timer of this.#timers) clearInterval(timer)
  }

  #end(part: (peer: Peer) => void): void {
    this.#isClosed = true
    for (const { peer } of [...this.#entries.values()]) part(peer)
  }

  #onClose(peer: Peer, reason: string): void {
    const entry = this.#entries.get(peer.worker)
    if (entry) this.#byInstance.delete(entry.instance)
    this.#entries.delete(peer.worker)
    this.#byKey.delete(sha256(Buffer.from(peer.memberKey)))
    if (!peer.isHeard) this.#leaving.set(peer.worker, { peer, until: performance.now() + farewellMs })
    this.#options.onLeft(peer.worker, reason)
  }

  #tickChannels(): void {
    const now = performance.now()
    for (const { peer } of this.#entries.values()) peer.tick(now)
    for (const [worker, { peer, until }] of this.#leaving) {
      peer.tick(now)
      if (peer.isHeard || now > until) this.#leaving.delete(worker)
    }
  }

  #tick(): void {
    const now = performance.now()
    const elapsedMs = now - this.#lastTick
    this.#lastTick = now
    if (this.#isClosed) return
    if (this.#isBusUp)
      for (const { peer, liveness } of [...this.#entries.values()]) {
        const reason = liveness.tick(elapsedMs, this.#options.patienceMs(peer.worker))
        if (reason !== null) peer.close(reason)
      }
    this.#options.onTick()
  }
}
