import { randomBytes } from 'node:crypto'
import { sha256 } from '../digest.ts'
import { LetheError } from '../errors.ts'
import type { Blobs, Bus, BusMessage, KeyValue, Lease, QueueOptions, Subscription, WorkQueue } from './bus.ts'
import { guarded } from './guarded.ts'
import { checkKey, checkName, checkPattern, checkSubject } from './names.ts'
import { callMs, checkBlob, checkPayload, unavailable } from './payload.ts'
import { Watched } from './watched.ts'
import { type Answers, answers, type Call, type ClientMessage, chunkBytes, type ServerMessage, type Unnumbered } from './wire.ts'

/** What carries messages to the broker: a socket that is made again when it is lost, or the same process. */
export interface Link {
  /** Once, before anything else. */
  start(events: LinkEvents): void
  /** Messages sent while the link is down are lost. */
  send(message: ClientMessage): void
  close(): Promise<void>
}

export interface LinkEvents {
  onMessage(message: ServerMessage): void
  onUp(): void
  onDown(): void
}

interface PendingCall {
  resolve(result: unknown): void
  reject(error: LetheError): void
}

/** Wait before a renewal that failed is tried again. */
const renewMs = 250

const upload = () => randomBytes(16).toString('hex')

/** The client's half of the embedded bus. */
export class EmbeddedBus implements Bus {
  readonly #link: Link
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
    const set = async (key: string, value: Uint8Array, expected: number | null) => {
      checkKey(key)
      checkPayload(value)
      return this.#call({ op: 'set', bucket, key, value, expected })
    }
    return {
      get: async (key) => {
        checkKey(key)
        return this.#call({ op: 'get', bucket, key })
      },
      put: async (key, value) => (await set(key, value, null)) as number,
      create: (key, value) => set(key, value, 0),
      update: (key, value, revision) => set(key, value, revision),
      delete: async (key) => {
        checkKey(key)
        await this.#call({ op: 'delete', bucket, key })
      },
      keys: async () => {
        const keys: string[] = []
        for (let isMore = true; isMore; ) {
          const page = await this.#call({ op: 'keys', bucket, after: keys.at(-1) ?? '' })
          keys.push(...page.keys)
          isMore = page.isMore
        }
        return keys
      },
      watch: async (pattern, onEntry) => {
        checkPattern(pattern)
        const sid = this.#nextId++
        this.#watches.set(sid, { bucket, pattern, watched: new Watched(onEntry) })
        return this.#register(sid, this.#watches, () => this.#call({ op: 'watch', sid, bucket, pattern }))
      },
    }
  }

  async queue(queue: string, { leaseMs, maxDeliveries }: QueueOptions): Promise<WorkQueue> {
    checkName(queue)
    const leaseOf = ({ item, data, epoch }: NonNullable<Answers['take']>): Lease => {
      const held = { queue, item, epoch }
      let isUncertain = false
      return {
        id: item,
        data,
        epoch,
        extend: () => this.#call({ op: 'extend', ...held, leaseMs }),
        acknowledge: async () => {
          // An attempt whose answer was lost may have been carried out: then the next one is told `before`.
          const wasUncertain = isUncertain
          isUncertain = true
          const answer = await this.#call({ op: 'acknowledge', ...held })
          isUncertain = false
          return answer === 'now' || (answer === 'before' && wasUncertain)
        },
        release: async () => {
          await this.#call({ op: 'release', ...held })
        },
      }
    }
    return {
      put: async (item, data) => {
        checkKey(item)
        checkPayload(data)
        return this.#call({ op: 'put', queue, item, data })
      },
      take: async ({ waitMs }) => {
        const taken = await this.#call({ op: 'take', queue, waitMs: Math.ceil(waitMs), leaseMs, maxDeliveries }, waitMs + callMs)
        return taken && leaseOf(taken)
      },
      size: () => this.#call({ op: 'size', queue }),
      deadLetters: async () => {
        const letters: Awaited<ReturnType<WorkQueue['deadLetters']>> = []
        for (;;) {
          const letter = await this.#call({ op: 'deadLetter', queue, after: letters.at(-1)?.id ?? '' })
          if (!letter) return letters
          letters.push({ id: letter.item, data: letter.data, deliveries: letter.deliveries })
        }
      },
    }
  }

  async blobs(bucket: string): Promise<Blobs> {
    checkName(bucket)
    /** @returns null where there is none, undefined where it was replaced while it was read. */
    const read = async (name: string): Promise<Uint8Array | null | undefined> => {
      const found = await this.#call({ op: 'findBlob', bucket, name })
      if (!found) return null
      const chunks: Uint8Array[] = []
      for (let index = 0; index < found.chunks; index++) {
        const chunk = await this.#call({ op: 'readBlob', bucket, upload: found.upload, index })
        if (!chunk) return undefined
        chunks.push(chunk)
      }
      const blob = new Uint8Array(Buffer.concat(chunks))
      if (sha256(blob) !== found.sha256) throw new LetheError('STORAGE_WRITE', { message: `the blob ${name} is damaged` })
      return blob
    }
    return {
      put: async (name, blob) => {
        checkKey(name)
        checkBlob(blob)
        const chunks = Math.max(1, Math.ceil(blob.byteLength / chunkBytes))
        const put = { op: 'putBlob', bucket, name, upload: upload() } as const
        for (let index = 0; index < chunks; index++) {
          const data = blob.subarray(index * chunkBytes, (index + 1) * chunkBytes)
          await this.#call({ ...put, index, data, last: index === chunks - 1 ? { sha256: sha256(blob) } : null })
        }
      },
      get: async (name) => {
        checkKey(name)
        for (;;) {
          const blob = await read(name)
          if (blob !== undefined) return blob
        }
      },
      delete: async (name) => {
        checkKey(name)
        await this.#call({ op: 'deleteBlob', bucket, name })
      },
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#lose()
    for (const wake of this.#waiting) wake(unavailable('the bus was closed'))
    await this.#link.close()
  }

  /** Waits for the link where it is down, but not beyond the time that the call has. */
  async #call<Op extends Call['op']>(
    message: Extract<Unnumbered<Call>, { op: Op }>,
    timeoutMs: number = callMs,
  ): Promise<Answers[Op]> {
    const deadline = performance.now() + timeoutMs
    if (!this.#isConnected) await this.#untilConnected(timeoutMs)
    return this.#send(message, Math.max(1, deadline - performance.now()))
  }

  async #send<Op extends Call['op']>(message: Extract<Unnumbered<Call>, { op: Op }>, timeoutMs: number): Promise<Answers[Op]> {
    const id = this.#nextId++
    const result = await new Promise<unknown>((resolve, reject) => {
      const timer = setTimeout(() => end(reject, unavailable(`no answer on the bus to ${message.op} within ${Math.round(timeoutMs)} ms`)), timeoutMs)
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
