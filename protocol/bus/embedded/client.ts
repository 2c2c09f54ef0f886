import { LetheError } from '../../errors.ts'
import type { Blobs, Bus, BusMessage, KeyValue, QueueOptions, Subscription, WorkQueue } from '../bus.ts'
import { guarded } from '../guarded.ts'
import { checkName, checkPattern, checkSubject } from '../names.ts'
import { callMs, checkPayload, unavailable } from '../payload.ts'
import { Watched } from '../watched.ts'
import { embeddedBlobs } from './blobs.ts'
import { embeddedKeyValue } from './keyvalue.ts'
import type { Ask, Link } from './link.ts'
import { embeddedQueue } from './queue.ts'
import { type Answers, answers, type Call, type ServerMessage, type Unnumbered } from './wire.ts'

interface PendingCall {
  resolve(result: unknown): void
  reject(error: LetheError): void
}

/** Wait before a renewal that failed is tried again. */
const renewMs = 250

/** The client's half of the embedded bus. */
export class EmbeddedBus implements Bus {
  readonly #link: Link
  /** The calls, for the parts that only call. */
  readonly #ask: Ask = (message, timeoutMs) => this.#call(message, timeoutMs)
  readonly #calls = new Map<number, PendingCall>()
  readonly #subscriptions = new Map<number, { pattern: string; onMessage: (message: BusMessage) => void }>()
  readonly #watches = new Map<number, { bucket: string; pattern: string; watched: Watched }>()
  readonly #listeners = new Set<(isConnected: boolean) => void>()
  /** Whoever waits for the link to come up. */
  readonly #waiting = new Set<(error: LetheError | null) => void>()
  #nextId = 1
  /** Tells a renewal that another one, or a loss, has overtaken it. */
  #renewals = 0
  #isUp = false
  #isConnected = false
  #isClosed = false

  constructor(link: Link) {
    this.#link = link
    link.start({ onMessage: (message) => this.#receive(message), onUp: () => void this.#renew(), onDown: () => this.#lose() })
  }

  get isConnected(): boolean {
    return this.#isConnected
  }

  onConnection(listener: (isConnected: boolean) => void): void {
    this.#listeners.add(listener)
  }

  publish(subject: string, data: Uint8Array): void {
    checkSubject(subject)
    checkPayload(data)
    this.#link.send({ op: 'publish', subject, data })
  }

  async subscribe(pattern: string, onMessage: (message: BusMessage) => void): Promise<Subscription> {
    checkPattern(pattern)
    const sid = this.#nextId++
    this.#subscriptions.set(sid, { pattern, onMessage })
    return this.#register(sid, this.#subscriptions, () => this.#call({ op: 'subscribe', sid, pattern }))
  }

  async request(subject: string, data: Uint8Array, { timeoutMs }: { timeoutMs: number }): Promise<Uint8Array> {
    checkSubject(subject)
    checkPayload(data)
    return this.#call({ op: 'request', subject, data, timeoutMs: Math.ceil(timeoutMs) }, timeoutMs)
  }

  async keyValue(bucket: string): Promise<KeyValue> {
    checkName(bucket)
    return embeddedKeyValue(this.#ask, bucket, async (pattern, onEntry) => {
      const sid = this.#nextId++
      this.#watches.set(sid, { bucket, pattern, watched: new Watched(onEntry) })
      return this.#register(sid, this.#watches, () => this.#call({ op: 'watch', sid, bucket, pattern }))
    })
  }

  async queue(queue: string, options: QueueOptions): Promise<WorkQueue> {
    checkName(queue)
    return embeddedQueue(this.#ask, queue, options)
  }

  async blobs(bucket: string): Promise<Blobs> {
    checkName(bucket)
    return embeddedBlobs(this.#ask, bucket)
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#lose()
    for (const wake of this.#waiting) wake(unavailable('the bus was closed'))
    await this.#link.close()
  }

  /** Waits for the link where it is down, but not beyond the time that the call has. */
  async #call<Op extends Call['op']>(message: Extract<Unnumbered<Call>, { op: Op }>, timeoutMs: number = callMs): Promise<Answers[Op]> {
    const deadline = performance.now() + timeoutMs
    if (!this.#isConnected) await this.#untilConnected(timeoutMs)
    return this.#send(message, Math.max(1, deadline - performance.now()))
  }

  async #send<Op extends Call['op']>(message: Extract<Unnumbered<Call>, { op: Op }>, timeoutMs: number): Promise<Answers[Op]> {
    const id = this.#nextId++
    const result = await new Promise<unknown>((resolve, reject) => {
      const timer = setTimeout(
        () => end(reject, unavailable(`no answer on the bus to ${message.op} within ${Math.round(timeoutMs)} ms`)),
        timeoutMs,
      )
      const end = <Value>(settle: (value: Value) => void, value: Value) => {
        clearTimeout(timer)
        this.#calls.delete(id)
        settle(value)
      }
      this.#calls.set(id, { resolve: (value) => end(resolve, value), reject: (error) => end(reject, error) })
      this.#link.send({ ...message, id } as Call)
    })
    const checked = answers[message.op].safeParse(result)
    if (!checked.success) throw new LetheError('CONNECTION_FRAME', { message: `The answer to ${message.op} does not have the agreed form` })
    return checked.data as Answers[Op]
  }

  #untilConnected(timeoutMs: number): Promise<void> {
    if (this.#isClosed) return Promise.reject(unavailable('the bus was closed'))
    return new Promise((resolve, reject) => {
      const wake = (error: LetheError | null) => {
        clearTimeout(timer)
        this.#waiting.delete(wake)
        if (error) reject(error)
        else resolve()
      }
      const timer = setTimeout(() => wake(unavailable('the connection to the bus is lost')), timeoutMs)
      this.#waiting.add(wake)
    })
  }

  async #register(sid: number, registry: Map<number, unknown>, call: () => Promise<null>): Promise<Subscription> {
    try {
      await call()
    } catch (error) {
      registry.delete(sid)
      if (this.#isUp) this.#link.send({ op: 'unsubscribe', sid })
      throw error
    }
    return {
      unsubscribe: () => {
        if (registry.delete(sid) && this.#isUp) this.#link.send({ op: 'unsubscribe', sid })
      },
    }
  }

  /** The link is up: everything is subscribed again before the bus counts as connected. */
  async #renew(): Promise<void> {
    this.#isUp = true
    const renewal = ++this.#renewals
    // Nothing to wait for: who has just opened the bus finds it connected.
    if (this.#subscriptions.size + this.#watches.size === 0) return this.#connected()
    try {
      await Promise.all([
        ...Array.from(this.#subscriptions, ([sid, { pattern }]) => this.#send({ op: 'subscribe', sid, pattern }, callMs)),
        ...Array.from(this.#watches, async ([sid, { bucket, pattern, watched }]) => {
          watched.begin()
          await this.#send({ op: 'watch', sid, bucket, pattern }, callMs)
          watched.end()
        }),
      ])
    } catch {
      // Where the link is down, its next coming up renews.
      if (this.#isUp && renewal === this.#renewals) setTimeout(() => renewal === this.#renewals && void this.#renew(), renewMs)
      return
    }
    if (renewal === this.#renewals) this.#connected()
  }

  #connected(): void {
    this.#isConnected = true
    for (const wake of [...this.#waiting]) wake(null)
    for (const listener of this.#listeners) listener(true)
  }

  #lose(): void {
    this.#isUp = false
    this.#renewals++
    for (const call of [...this.#calls.values()]) call.reject(unavailable('the connection to the bus was lost before the answer'))
    if (!this.#isConnected) return
    this.#isConnected = false
    for (const listener of this.#listeners) listener(false)
  }

  #receive(message: ServerMessage): void {
    switch (message.op) {
      case 'answer':
        return this.#calls.get(message.id)?.resolve(message.result)
      case 'failed':
        return this.#calls.get(message.id)?.reject(LetheError.fromWire(message.error))
      case 'refused': {
        const error = LetheError.fromWire(message.error)
        for (const call of [...this.#calls.values()]) call.reject(error)
        return
      }
      case 'entry': {
        this.#watches.get(message.sid)?.watched.show(message.key, message.value, message.revision)
        return
      }
      case 'message': {
        const { subject, data, reply } = message
        const respond = (answer: Uint8Array) => {
          checkPayload(answer)
          if (reply !== null && this.#isUp) this.#link.send({ op: 'respond', reply, data: answer })
        }
        guarded(() => this.#subscriptions.get(message.sid)?.onMessage({ subject, data, respond }))
      }
    }
  }
}
