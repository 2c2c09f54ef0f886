import { setTimeout as sleep } from 'node:timers/promises'
import type { WebSocket } from 'ws'
import type { MeshMessage } from '../../protocol/messages.ts'
import { isLoopback } from '../../protocol/tls.ts'
import { MeshSocket, type MeshSocketEvents } from './mesh-socket.ts'

export interface RouteOptions {
  worker: string
  /** Sockets that are dialled where transfers are large; where nothing is said, the address decides. */
  sockets?: number
  /** How long a worker may take to be reached before the coordinator relays. */
  patienceMs: number
  /** Then it is tried again after this time, without waiting for it. */
  retryMs: number
  stallMs: number
  dial(url: string, onOpen: (socket: WebSocket) => void): Promise<void>
  relay(message: MeshMessage, payload: Uint8Array): Promise<void>
  events: Pick<MeshSocketEvents, 'limit' | 'onTransfer' | 'onError'>
  /** The last socket has ended. */
  onIdle(): void
  /** The way to this worker has changed. */
  onNotice(message: string): void
}

const pauseMs = 200
/** Payload from which on a second socket is worth its handshake. */
const largeBytes = 1024 * 1024
/** Times that a transfer is tried directly. */
const attempts = 3

/** The way to one worker: direct sockets, whoever dialled them; else the coordinator. */
export class Route {
  readonly #options: RouteOptions
  readonly #sockets = new Set<MeshSocket>()
  #url: string | null = null
  #dialling = 0
  #connecting: Promise<void> | null = null
  #isRelayed = false
  #retryAt = 0
  #isClosed = false
  /** Those who wait for a socket. */
  #wake: () => void = () => {}

  constructor(options: RouteOptions) {
    this.#options = options
  }

  /** Where the worker listens; null where it does not. */
  set url(url: string | null) {
    if (url !== this.#url) this.#retryAt = 0
    this.#url = url
  }

  /** Opens a socket where there is none. */
  prepare(): void {
    if (this.#sockets.size === 0) void this.#reach()
  }

  /** A socket of this worker, dialled or accepted. */
  attach(socket: WebSocket): void {
    const { events, stallMs, worker, onNotice, onIdle } = this.#options
    const onClose = () => {
      this.#sockets.delete(one)
      if (this.#sockets.size === 0) onIdle()
    }
    const one: MeshSocket = new MeshSocket(socket, { stallMs }, { ...events, onClose })
    this.#sockets.add(one)
    // Whoever dials again has lost the old ones, even where we have not noticed.
    if (this.#sockets.size > 2 * this.#wanted) [...this.#sockets][0].close()
    if (this.#isRelayed) onNotice(`worker ${worker} is reached directly again`)
    this.#isRelayed = false
    this.#wake()
  }

  /**
   * Resolves when the transfer has arrived, when the coordinator has taken it, or when the worker has left: then it went nowhere.
   * After a broken socket it is sent again as a whole; the receiver drops what it has.
   */
  async send(message: MeshMessage, payload: Uint8Array): Promise<void> {
    for (let attempt = 0; attempt < attempts && !this.#isClosed; attempt++) {
      if (this.#sockets.size === 0) await this.#reach()
      const socket = [...this.#sockets].reduce<MeshSocket | null>(
        (best, one) => (best && best.loadBytes <= one.loadBytes ? best : one),
        null,
      )
      if (socket === null) break
      if (payload.byteLength >= largeBytes) this.#widen()
      if (await socket.send(message, payload)) return
    }
    if (!this.#isClosed) await this.#options.relay(message, payload)
  }

  /** Comes back when there is a socket, or when there is none for now. */
  async #reach(): Promise<void> {
    if (this.#url === null || Date.now() < this.#retryAt) return
    this.#connecting ??= this.#connect().finally(() => {
      this.#connecting = null
    })
    if (!this.#isRelayed) await this.#connecting
  }

  async #connect(): Promise<void> {
    const { patienceMs, retryMs, worker, onNotice } = this.#options
    const deadline = Date.now() + patienceMs
    let reason = 'it does not answer'
    while (this.#sockets.size === 0 && !this.#isClosed && Date.now() < deadline) {
      const opened = new Promise<void>((resolve) => {
        this.#wake = resolve
      })
      const dialled = this.#dial().catch((error: Error) => {
        reason = error.message
        return sleep(pauseMs, undefined, { ref: false })
      })
      await Promise.race([opened, dialled, sleep(Math.max(0, deadline - Date.now()), undefined, { ref: false })])
    }
    if (this.#sockets.size > 0 || this.#isClosed) return
    this.#retryAt = Date.now() + retryMs
    if (!this.#isRelayed) onNotice(`${reason}; what is for worker ${worker} goes through the coordinator`)
    this.#isRelayed = true
  }

  async #dial(): Promise<void> {
    this.#dialling += 1
    try {
      await this.#options.dial(this.#url ?? '', (socket) => (this.#isClosed ? socket.terminate() : this.attach(socket)))
    } finally {
      this.#dialling -= 1
    }
  }

  #widen(): void {
    if (this.#url === null || this.#connecting) return
    const missing = this.#wanted - this.#sockets.size - this.#dialling
    for (let i = 0; i < missing; i++) this.#dial().catch(() => {})
  }

  get #wanted(): number {
    const isNear = this.#url !== null && URL.canParse(this.#url) && isLoopback(new URL(this.#url).hostname)
    return this.#options.sockets ?? (isNear ? 1 : 2)
  }

  close(): void {
    this.#isClosed = true
    for (const socket of [...this.#sockets]) socket.close()
    this.#wake()
  }
}
