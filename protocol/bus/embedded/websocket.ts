import type { WebSocket } from 'ws'
import { type Dial, dial } from '../../dial.ts'
import { decodeMessage, encodeMessage, maxMessageBytes } from '../../frame.ts'
import { busPath } from '../../socket.ts'
import type { Link, LinkEvents } from './link.ts'
import { type ClientMessage, type ServerMessage, serverMessage } from './wire.ts'

/** Where a coordinator serves the bus, and who asks. */
export type SocketOptions = Pick<Dial, 'url' | 'token' | 'headers' | 'tls' | 'timeoutMs'>

const firstRetryMs = 100
const lastRetryMs = 1000
const pingMs = 1000
/** Pings in a row without any sign of life. Counted in turns of our own loop: a loop that was held up blames nobody else. */
const missedPings = 3
/** What may wait to be sent; above it the other end does not read. */
const unsentBytes = 32 * 1024 * 1024

/** A WebSocket to the coordinator that is made again, without end, when it is lost. */
export class SocketLink implements Link {
  readonly #options: SocketOptions
  #events: LinkEvents | null = null
  #socket: WebSocket | null = null
  #isClosed = false
  #missed = 0
  #retry: NodeJS.Timeout | undefined

  private constructor(options: SocketOptions) {
    this.#options = options
  }

  /** @throws what `dial` throws where the first connection fails. */
  static async open(options: SocketOptions): Promise<SocketLink> {
    const link = new SocketLink(options)
    link.#socket = await link.#dial()
    return link
  }

  start(events: LinkEvents): void {
    this.#events = events
    if (this.#socket) this.#use(this.#socket)
  }

  send(message: ClientMessage): void {
    const socket = this.#socket
    if (!socket || socket.readyState !== socket.OPEN) return
    if (socket.bufferedAmount > unsentBytes) return socket.terminate()
    socket.send(encodeMessage(message))
  }

  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#retry)
    const socket = this.#socket
    if (!socket || socket.readyState === socket.CLOSED) return
    await new Promise<void>((resolve) => {
      const patience = setTimeout(() => socket.terminate(), 500)
      socket.once('close', () => {
        clearTimeout(patience)
        resolve()
      })
      socket.close()
    })
  }

  #dial(): Promise<WebSocket> {
    return dial({ ...this.#options, path: busPath, maxBytes: maxMessageBytes, onMessage: (bytes) => this.#receive(bytes) })
  }

  #receive(bytes: Uint8Array): void {
    this.#missed = 0
    let message: ServerMessage
    try {
      message = decodeMessage(bytes, serverMessage)
    } catch {
      // Whatever sends this is no bus of ours.
      return this.#socket?.terminate()
    }
    this.#events?.onMessage(message)
  }

  #use(socket: WebSocket): void {
    if (socket.readyState !== socket.OPEN) return this.#dialAgain(firstRetryMs)
    this.#socket = socket
    this.#missed = 0
    socket.on('pong', () => {
      this.#missed = 0
    })
    const pings = setInterval(() => {
      if (this.#missed++ >= missedPings) return socket.terminate()
      if (socket.readyState === socket.OPEN) socket.ping()
    }, pingMs)
    socket.once('close', () => {
      clearInterval(pings)
      this.#events?.onDown()
      this.#dialAgain(firstRetryMs)
    })
    this.#events?.onUp()
  }

  #dialAgain(waitMs: number): void {
    if (this.#isClosed) return
    this.#retry = setTimeout(async () => {
      try {
        const socket = await this.#dial()
        if (this.#isClosed) return socket.terminate()
        this.#use(socket)
      } catch {
        this.#dialAgain(Math.min(waitMs * 2, lastRetryMs))
      }
    }, waitMs)
  }
}
