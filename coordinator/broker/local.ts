import type { Link, LinkEvents } from '../../protocol/bus/embedded/link.ts'
import type { ClientMessage } from '../../protocol/bus/embedded/wire.ts'
import { guarded } from '../../protocol/bus/guarded.ts'
import type { Outlet, Session } from './session.ts'

/**
 * Joins a client of the bus to a session of the same process. Bytes are copied, as a socket would, and messages of both ways arrive in a
 * later turn of the loop, so that nobody is called back before its own call returns.
 */
export class LocalLink implements Link {
  readonly #open: (outlet: Outlet) => Session
  #session: Session | null = null
  #queue: (() => void)[] = []

  constructor(open: (outlet: Outlet) => Session) {
    this.#open = open
  }

  start(events: LinkEvents): void {
    this.#session = this.#open({
      send: (message) => this.#later(() => events.onMessage(message)),
      end: () => this.#later(() => events.onDown()),
    })
    events.onUp()
  }

  send(message: ClientMessage): void {
    const copy = copied(message)
    this.#later(() => this.#session?.handle(copy))
  }

  async close(): Promise<void> {
    this.#session?.close()
    this.#session = null
  }

  #later(act: () => void): void {
    this.#queue.push(act)
    if (this.#queue.length > 1) return
    setImmediate(() => {
      const acts = this.#queue
      this.#queue = []
      for (const one of acts) guarded(one)
    })
  }
}

/** The caller may write into its bytes again. */
function copied(message: ClientMessage): ClientMessage {
  if ('data' in message) return { ...message, data: new Uint8Array(message.data) }
  if ('value' in message) return { ...message, value: new Uint8Array(message.value) }
  return message
}
