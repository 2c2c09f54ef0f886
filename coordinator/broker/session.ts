import type { Call, ClientMessage, ServerMessage } from '../../protocol/bus/embedded/wire.ts'
import { LetheError } from '../../protocol/errors.ts'
import { isAllowed, type Role } from './permissions.ts'

/** Subscriptions and watches of one peer. */
const maxSubscriptions: Record<Role, number> = { worker: 64, coordinator: 8192, admin: 1024 }
/** Calls of one peer that wait for their answer. */
const maxCalls: Record<Role, number> = { worker: 64, coordinator: 8192, admin: 1024 }

/** How a session reaches its peer. */
export interface Outlet {
  send(message: ServerMessage): void
  /** Parts from a peer that did what it may not. */
  end(error: LetheError): void
}

/** What the broker does for a session. Answers may come later, but are given once. */
export interface Service {
  /** @throws LetheError where the call cannot be carried out. */
  call(session: Session, message: Call, answer: (result: unknown) => void, fail: (error: LetheError) => void): void
  publish(subject: string, data: Uint8Array): void
  respond(reply: string, data: Uint8Array): void
}

/** One peer of the bus: what it may do, what it subscribed to, what it waits for. */
export class Session {
  readonly role: Role
  readonly #service: Service
  readonly #outlet: Outlet
  readonly #subscriptions = new Map<number, () => void>()
  readonly #closers = new Set<() => void>()
  #calls = 0
  #isOpen = true

  constructor(role: Role, service: Service, outlet: Outlet) {
    this.role = role
    this.#service = service
    this.#outlet = outlet
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  handle(message: ClientMessage): void {
    if (!this.#isOpen) return
    if (!isAllowed(this.role, message)) return this.#refuse(`a ${this.role} may not ${describe(message)}`)
    switch (message.op) {
      case 'publish':
        return this.#service.publish(message.subject, message.data)
      case 'respond':
        return this.#service.respond(message.reply, message.data)
      case 'unsubscribe':
        this.#subscriptions.get(message.sid)?.()
        this.#subscriptions.delete(message.sid)
        return
      default:
        this.#handleCall(message)
    }
  }

  /** A subscription with a number that is taken replaces it: the peer renews. */
  subscribe(sid: number, cancel: () => void): void {
    this.#subscriptions.get(sid)?.()
    this.#subscriptions.set(sid, cancel)
    if (this.#subscriptions.size > maxSubscriptions[this.role]) this.#refuse('too many subscriptions')
  }

  send(message: ServerMessage): void {
    if (this.#isOpen) this.#outlet.send(message)
  }

  /** What else must end with the session. @returns what takes it back. */
  onClose(close: () => void): () => void {
    this.#closers.add(close)
    return () => this.#closers.delete(close)
  }

  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    for (const cancel of this.#subscriptions.values()) cancel()
    for (const close of this.#closers) close()
  }

  #handleCall(message: Call): void {
    if (++this.#calls > maxCalls[this.role]) return this.#refuse('too many calls wait for an answer')
    let isAnswered = false
    const once = (reply: ServerMessage) => {
      if (isAnswered) return
      isAnswered = true
      this.#calls -= 1
      this.send(reply)
    }
    const fail = (error: LetheError) => once({ op: 'failed', id: message.id, error: error.toWire() })
    try {
      this.#service.call(this, message, (result) => once({ op: 'answer', id: message.id, result }), fail)
    } catch (error) {
      fail(LetheError.from(error))
    }
  }

  #refuse(message: string): void {
    const error = new LetheError('CONNECTION_FRAME', { message, hint: 'The coordinator allows each kind of peer what it needs.' })
    this.send({ op: 'refused', error: error.toWire() })
    this.close()
    this.#outlet.end(error)
  }
}

const describe = (message: ClientMessage) =>
  'subject' in message
    ? `${message.op} on ${message.subject}`
    : 'pattern' in message
      ? `${message.op} ${message.pattern}`
      : 'bucket' in message
        ? `${message.op} in ${message.bucket}`
        : message.op
