import type { WebSocket } from 'ws'
import type { FileBytes } from '../../protocol/digest.ts'
import { LetheError } from '../../protocol/errors.ts'
import type { CoordinatorMessage, WorkerBulk, WorkerMessage } from '../../protocol/messages.ts'
import { Liveness } from '../net/liveness.ts'
import { Peer } from '../net/peer.ts'

export interface RosterOptions {
  /** Sent to every newcomer, with its own name and key. */
  welcome: Omit<Extract<CoordinatorMessage, { type: 'welcome' }>, 'worker' | 'memberKey'>
  parent: readonly FileBytes[]
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
  isGreeted: boolean
}

const tickMs = 250

/** Who is connected, and who is alive. */
export class Roster {
  readonly #options: RosterOptions
  readonly #entries = new Map<string, Entry>()
  readonly #timer: NodeJS.Timeout
  #joined = 0
  #lastTick = performance.now()
  #isClosed = false

  constructor(options: RosterOptions) {
    this.#options = options
    this.#timer = setInterval(() => this.#tick(), tickMs)
  }

  get(worker: string): Peer | undefined {
    return this.#entries.get(worker)?.peer
  }

  join(control: WebSocket): void {
    if (this.#isClosed) {
      control.terminate()
      return
    }
    this.#joined += 1
    const peer = new Peer(`w${this.#joined}`, control, {
      onMessage: (one, message) => this.#onMessage(one, message),
      onBulk: this.#options.onBulk,
      limit: this.#options.limit,
      onReady: (one) => {
        for (const { path, bytes } of this.#options.parent) one.sendBulk({ type: 'file', path }, bytes)
      },
      onClose: (one, reason) => {
        this.#entries.delete(one.worker)
        this.#options.onLeft(one.worker, reason)
      },
    })
    this.#entries.set(peer.worker, { peer, liveness: new Liveness(tickMs), isGreeted: false })
  }

  joinBulk(bulk: WebSocket, memberKey: string): boolean {
    const entry = [...this.#entries.values()].find(({ peer }) => peer.memberKey === memberKey)
    if (!entry || entry.peer.hasBulk || !entry.isGreeted) return false
    entry.peer.attachBulk(bulk)
    return true
  }

  finish(reason: string): void {
    this.#end((peer) => peer.finish(reason))
  }

  /** Parts without a word: workers look for the coordinator for a while, it may come back. */
  close(reason: string): void {
    this.#end((peer) => peer.close(reason))
  }

  #end(part: (peer: Peer) => void): void {
    this.#isClosed = true
    clearInterval(this.#timer)
    for (const { peer } of [...this.#entries.values()]) part(peer)
  }

  #onMessage(peer: Peer, message: WorkerMessage): void {
    const entry = this.#entries.get(peer.worker)
    if (!entry) return
    if (message.type === 'hello') {
      if (entry.isGreeted) throw new LetheError('CONNECTION_FRAME', { message: `${peer.worker} said hello twice` })
      entry.isGreeted = true
      peer.send({ ...this.#options.welcome, worker: peer.worker, memberKey: peer.memberKey })
    } else if (message.type === 'beat') {
      entry.liveness.beat(message)
    }
    this.#options.onMessage(peer, message)
  }

  #tick(): void {
    const now = performance.now()
    const elapsedMs = now - this.#lastTick
    this.#lastTick = now
    for (const { peer, liveness } of [...this.#entries.values()]) {
      const reason = liveness.tick(elapsedMs, this.#options.patienceMs(peer.worker))
      if (reason !== null) peer.close(reason)
    }
    this.#options.onTick()
  }
}
