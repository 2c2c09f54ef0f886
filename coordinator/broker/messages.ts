import { randomBytes } from 'node:crypto'
import { LetheError } from '../../protocol/errors.ts'
import type { Session } from './session.ts'
import { SubjectTree } from './subjects.ts'

interface Subscriber {
  session: Session
  sid: number
}

interface Waiting {
  answer(data: Uint8Array): void
  /** Forgets the request. */
  end(): void
}

/** Publishing, subscribing and requests. Nothing is stored. */
export class Messages {
  readonly #subscribers = new SubjectTree<Subscriber>()
  /** Requests by the secret that answers them. */
  readonly #requests = new Map<string, Waiting>()

  subscribe(session: Session, sid: number, pattern: string): void {
    session.subscribe(sid, this.#subscribers.add(pattern, { session, sid }))
  }

  /** @returns the number of those who get it. */
  publish(subject: string, data: Uint8Array, reply: string | null = null): number {
    const subscribers = this.#subscribers.match(subject)
    for (const { session, sid } of subscribers) session.send({ op: 'message', sid, subject, data, reply })
    return subscribers.length
  }

  /** @throws LetheError BUS_UNAVAILABLE where nobody is subscribed. The first answer within the time counts. */
  request(
    session: Session,
    subject: string,
    data: Uint8Array,
    timeoutMs: number,
    answer: (data: Uint8Array) => void,
    fail: (error: LetheError) => void,
  ): void {
    const reply = randomBytes(16).toString('hex')
    const none = (message: string) => new LetheError('BUS_UNAVAILABLE', { message })
    const end = () => {
      clearTimeout(timer)
      forget()
      this.#requests.delete(reply)
    }
    const timer = setTimeout(() => {
      end()
      fail(none(`nobody answered on ${subject} within ${timeoutMs} ms`))
    }, timeoutMs)
    const forget = session.onClose(end)
    this.#requests.set(reply, { answer, end })
    if (this.publish(subject, data, reply) > 0) return
    end()
    throw none(`nobody listens on ${subject}`)
  }

  respond(reply: string, data: Uint8Array): void {
    const request = this.#requests.get(reply)
    request?.end()
    request?.answer(data)
  }

  close(): void {
    for (const { end } of [...this.#requests.values()]) end()
  }
}
