import { type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream'
import { createInbox, type NatsConnection } from '@nats-io/nats-core'
import type { Blobs, Bus, BusMessage, KeyValue, QueueOptions, Subscription, WorkQueue } from './bus.ts'
import { guarded } from './guarded.ts'
import { checkName, checkPattern, checkSubject } from './names.ts'
import { natsBlobs } from './nats/blobs.ts'
import { connectNats, type NatsOptions } from './nats/connect.ts'
import { busError, isUnheard, type NatsContext } from './nats/context.ts'
import { natsKeyValue } from './nats/keyvalue.ts'
import { type Log, natsLog } from './nats/log.ts'
import { natsQueue } from './nats/queue.ts'
import { callMs, checkPayload, unavailable } from './payload.ts'

export type { Log } from './nats/log.ts'

export interface NatsBusOptions extends NatsOptions {
  /** Servers of a cluster that keep a copy of each stream: 1, 3 or 5. */
  replicas?: number
}

function listen<Listener>(listeners: Set<Listener>, listener: Listener): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

/** The bus on a NATS server with JetStream, 2.9 or newer. */
export class NatsBus implements Bus {
  readonly #connection: NatsConnection
  readonly #context: NatsContext
  readonly #listeners = new Set<(isConnected: boolean) => void>()
  readonly #closers = new Set<() => void>()
  #isConnected = true
  #isClosed = false

  private constructor(connection: NatsConnection, inboxPrefix: string, jsm: JetStreamManager, replicas: number) {
    this.#connection = connection
    this.#context = {
      connection,
      js: jetstream(connection, { timeout: callMs }),
      jsm,
      inbox: () => createInbox(inboxPrefix),
      replicas,
      onConnection: (listener) => listen(this.#listeners, listener),
      onClose: (listener) => listen(this.#closers, listener),
      call: (what, act, timeoutMs) => this.#call(what, act, timeoutMs),
    }
    void this.#follow()
  }

  /** @throws LetheError BUS_UNAVAILABLE where the server cannot be reached, refuses, is too old or has no JetStream. */
  static async open(url: string, options: NatsBusOptions = {}): Promise<NatsBus> {
    const { connection, inboxPrefix } = await connectNats(url, options)
    try {
      return new NatsBus(connection, inboxPrefix, await jetstreamManager(connection, { timeout: callMs }), options.replicas ?? 1)
    } catch (error) {
      await connection.close()
      throw busError('a question for JetStream', error)
    }
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
    // The client would keep it for later, without a limit.
    if (this.#isConnected && !this.#isClosed) this.#connection.publish(subject, data)
  }

  async subscribe(pattern: string, onMessage: (message: BusMessage) => void): Promise<Subscription> {
    checkPattern(pattern)
    return this.#call(`a subscription of ${pattern}`, async () => {
      let refused: Error | null = null
      const subscription = this.#connection.subscribe(pattern, {
        callback: (error, message) => {
          if (error) refused = error
          else
            guarded(() =>
              onMessage({
                subject: message.subject,
                data: message.data,
                respond: (answer) => {
                  checkPayload(answer)
                  if (this.#isConnected && !this.#isClosed) message.respond(answer)
                },
              }),
            )
        },
      })
      try {
        await this.#connection.flush()
        if (refused) throw refused
      } catch (error) {
        subscription.unsubscribe()
        throw error
      }
      return { unsubscribe: () => subscription.unsubscribe() }
    })
  }

  async request(subject: string, data: Uint8Array, { timeoutMs }: { timeoutMs: number }): Promise<Uint8Array> {
    checkSubject(subject)
    checkPayload(data)
    const deadline = performance.now() + timeoutMs
    const ask = async () => {
      const timeout = Math.max(1, deadline - performance.now())
      try {
        return (await this.#connection.request(subject, data, { timeout })).data
      } catch (cause) {
        throw isUnheard(cause) ? unavailable(`nobody listens on ${subject}`, { cause }) : cause
      }
    }
    return this.#call(`a request on ${subject}`, ask, timeoutMs)
  }

  async keyValue(bucket: string): Promise<KeyValue> {
    checkName(bucket)
    return natsKeyValue(this.#context, bucket)
  }

  async queue(name: string, options: QueueOptions): Promise<WorkQueue> {
    checkName(name)
    return natsQueue(this.#context, name, options)
  }

  async blobs(bucket: string): Promise<Blobs> {
    checkName(bucket)
    return natsBlobs(this.#context, bucket)
  }

  /** An append-only log, for the journal of a run. */
  async log(name: string): Promise<Log> {
    checkName(name)
    return natsLog(this.#context, name)
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    for (const close of [...this.#closers]) close()
    if (this.#isConnected) await this.#connection.flush().catch(() => {})
    await this.#connection.close()
    this.#set(false)
  }

  async #follow(): Promise<void> {
    for await (const status of this.#connection.status()) {
      if (status.type === 'disconnect') this.#set(false)
      // The client has subscribed again by then.
      else if (status.type === 'reconnect') this.#set(true)
    }
  }

  #set(isConnected: boolean): void {
    if (this.#isConnected === isConnected) return
    this.#isConnected = isConnected
    for (const listener of [...this.#listeners]) listener(isConnected)
  }

  async #call<Value>(what: string, act: () => Promise<Value>, timeoutMs: number = callMs): Promise<Value> {
    if (this.#isClosed) throw unavailable('the bus was closed')
    let forget = () => {}
    try {
      if (!this.#isConnected) await this.#untilConnected(timeoutMs)
      const lost = new Promise<never>((_resolve, reject) => {
        const listener = () => reject(unavailable(`the connection was lost before the answer to ${what}`))
        this.#listeners.add(listener)
        forget = () => this.#listeners.delete(listener)
      })
      return await Promise.race([act(), lost])
    } catch (error) {
      throw busError(what, error)
    } finally {
      forget()
    }
  }

  #untilConnected(timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (settle: () => void) => {
        clearTimeout(timer)
        this.#listeners.delete(listener)
        settle()
      }
      const listener = (isConnected: boolean) => {
        if (isConnected) end(resolve)
        else if (this.#isClosed) end(() => reject(unavailable('the bus was closed')))
      }
      const timer = setTimeout(() => end(() => reject(unavailable('the connection to the bus is lost'))), timeoutMs)
      this.#listeners.add(listener)
    })
  }
}
