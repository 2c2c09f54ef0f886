import { Worker } from 'node:worker_threads'
import { LetheError } from '../../protocol/errors.ts'
import type { CoordinatorMessage, WorkerMessage } from '../../protocol/messages.ts'
import type { FromLink, LinkData, ToLink } from './link-thread.ts'
import type { Watermark } from './watermark.ts'

export interface LinkEvents {
  onMessage(message: CoordinatorMessage): void
  /** Once, where the link did not end by `close`. */
  onClosed(error: LetheError): void
}

/** The control socket, seen from the thread that computes. */
export class Link {
  readonly #thread: Worker
  #isOpen = true

  constructor(address: { url: string; token: string }, watermark: Watermark, events: LinkEvents) {
    const data: LinkData = { url: address.url, token: address.token, pid: process.pid, watermark: watermark.memory }
    this.#thread = new Worker(new URL('./link-thread.js', import.meta.url), { workerData: data, execArgv: [] })
    const closed = (error: LetheError) => {
      if (!this.#isOpen) return
      this.#isOpen = false
      events.onClosed(error)
    }
    this.#thread.on('message', (message: FromLink) => {
      if (message.type === 'closed') closed(LetheError.fromWire(message.error))
      else if (this.#isOpen) events.onMessage(message.message)
    })
    this.#thread.on('error', (error) => closed(LetheError.from(error)))
    this.#thread.on('exit', () => closed(new LetheError('CONNECTION_REFUSED', { message: 'the link to the coordinator ended' })))
  }

  send(message: WorkerMessage): void {
    if (this.#isOpen) this.#post({ type: 'send', message })
  }

  /** Ends the link after what was sent. */
  async close(): Promise<void> {
    if (!this.#isOpen) return
    this.#isOpen = false
    const ended = new Promise((resolve) => this.#thread.once('exit', resolve))
    this.#post({ type: 'close' })
    await ended
  }

  #post(message: ToLink): void {
    this.#thread.postMessage(message)
  }
}
