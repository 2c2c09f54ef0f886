import { AckPolicy, type ConsumerConfig, DeliverPolicy } from '@nats-io/jetstream'
import { type Msg, type Subscription as NatsSubscription, nanos } from '@nats-io/nats-core'
import { guarded } from '../guarded.ts'
import { apiCodes, forgetStream, isApiError, type NatsContext, streamExists } from './context.ts'

export interface OrderedMessage {
  subject: string
  data: Uint8Array
  /** In the stream. */
  sequence: number
  header(name: string): string
}

export interface OrderedOptions {
  stream: string
  filter: string
  /** `all` messages once each, or the `last` of each subject: all of them again after every restart. */
  deliver: 'all' | 'last'
  onMessage(message: OrderedMessage): void
  /** Before the messages that exist now. */
  onBegin?(): void
  /** After them. */
  onCaughtUp?(): void
}

const heartbeatMs = 1000
/** Silence of so many heartbeats means that the consumer is gone. */
const missedHeartbeats = 3
const retryMs = 300

interface Run {
  subscription: NatsSubscription
  consumer: string | null
  /** Last number that the consumer gave. */
  delivered: number
  /** Number of the last message that existed when the consumer was made; null until that is known. */
  existing: number | null
  isCaughtUp: boolean
  missed: number
}

/**
 * Reads a stream in order without acknowledgements, through a consumer that only lives as long as it is read. Whatever happens to it (a
 * gap, silence, a server that restarts), another one goes on where it ended.
 */
export class Ordered {
  readonly #context: NatsContext
  readonly #options: OrderedOptions
  readonly #watchdog: NodeJS.Timeout
  readonly #forget: (() => void)[]
  #run: Run | null = null
  #lastSequence = 0
  #retry: NodeJS.Timeout | undefined
  #isStopped = false

  constructor(context: NatsContext, options: OrderedOptions) {
    this.#context = context
    this.#options = options
    this.#watchdog = setInterval(() => {
      if (this.#run && ++this.#run.missed > missedHeartbeats) this.#restart(0)
    }, heartbeatMs)
    this.#forget = [
      context.onConnection((isConnected) => {
        if (isConnected) this.#restart(0)
      }),
      context.onClose(() => this.stop()),
    ]
  }

  /** Resolves once the server delivers, or has no such stream so far. */
  async start(): Promise<void> {
    await this.#open()
  }

  stop(): void {
    if (this.#isStopped) return
    this.#isStopped = true
    clearInterval(this.#watchdog)
    clearTimeout(this.#retry)
    for (const forget of this.#forget) forget()
    this.#end()
  }

  #end(): void {
    const run = this.#run
    this.#run = null
    if (!run || this.#context.connection.isClosed()) return
    run.subscription.unsubscribe()
    // Without a reader it would end by itself, a little later.
    if (run.consumer) this.#context.jsm.consumers.delete(this.#options.stream, run.consumer).catch(() => {})
  }

  #restart(waitMs: number): void {
    if (this.#isStopped) return
    this.#end()
    clearTimeout(this.#retry)
    this.#retry = setTimeout(() => this.#open().catch(() => this.#restart(retryMs)), waitMs)
  }

  async #open(): Promise<void> {
    const { connection, jsm } = this.#context
    const { stream, filter, deliver, onBegin } = this.#options
    const inbox = this.#context.inbox()
    const run: Run = {
      subscription: connection.subscribe(inbox, {
        callback: (error, message) => void (error ? this.#restart(retryMs) : this.#receive(run, message)),
      }),
      consumer: null,
      delivered: 0,
      existing: null,
      isCaughtUp: false,
      missed: 0,
    }
    this.#run = run
    onBegin?.()
    try {
      const exists = await streamExists(this.#context, stream)
      if (this.#run !== run) return
      if (!exists) return this.#wait(run)
      const info = await jsm.consumers.add(stream, {
        name: inbox.slice(inbox.lastIndexOf('.') + 1),
        deliver_subject: inbox,
        filter_subject: filter,
        ack_policy: AckPolicy.None,
        flow_control: true,
        idle_heartbeat: nanos(heartbeatMs),
        inactive_threshold: nanos(10_000),
        max_deliver: 1,
        mem_storage: true,
        num_replicas: 1,
        ...(deliver === 'last'
          ? { deliver_policy: DeliverPolicy.LastPerSubject }
          : this.#lastSequence > 0
            ? { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: this.#lastSequence + 1 }
            : { deliver_policy: DeliverPolicy.All }),
      } as ConsumerConfig)
      if (this.#run !== run) return
      run.consumer = info.name
      run.missed = 0
      run.existing = info.delivered.consumer_seq + info.num_pending
      this.#checkCaughtUp(run)
    } catch (error) {
      if (this.#run !== run) return
      if (isApiError(error, apiCodes.streamNotFound)) return this.#wait(run)
      this.#end()
      throw error
    }
  }

  /** There is no such stream so far. */
  #wait(run: Run): void {
    forgetStream(this.#context, this.#options.stream)
    run.existing = 0
    this.#checkCaughtUp(run)
    this.#restart(retryMs)
  }

  #receive(run: Run, message: Msg): void {
    if (this.#run !== run) return
    run.missed = 0
    if (message.headers?.code === 100) {
      // Either asks for an answer, so that the server knows how much is under way.
      if (message.reply) message.respond()
      const stalled = message.headers.get('Nats-Consumer-Stalled')
      if (stalled) this.#context.connection.publish(stalled)
      const last = message.headers.get('Nats-Last-Consumer')
      if (last && Number(last) !== run.delivered) this.#restart(0)
      return
    }
    const numbers = sequences(message.reply ?? '')
    if (!numbers || numbers.consumer !== run.delivered + 1) return this.#restart(0)
    run.delivered = numbers.consumer
    this.#lastSequence = numbers.stream
    guarded(() =>
      this.#options.onMessage({
        subject: message.subject,
        data: message.data,
        sequence: numbers.stream,
        header: (name) => message.headers?.get(name) ?? '',
      }),
    )
    this.#checkCaughtUp(run)
  }

  #checkCaughtUp(run: Run): void {
    if (this.#run !== run || run.isCaughtUp || run.existing === null || run.delivered < run.existing) return
    run.isCaughtUp = true
    this.#options.onCaughtUp?.()
  }
}

/** `$JS.ACK.[domain.account.]stream.consumer.deliveries.stream sequence.consumer sequence.time.pending[.random]` */
function sequences(reply: string): { stream: number; consumer: number } | null {
  const words = reply.split('.')
  if (words[0] !== '$JS' || words[1] !== 'ACK' || words.length < 9) return null
  const at = words.length === 9 ? 5 : 7
  const numbers = { stream: Number(words[at]), consumer: Number(words[at + 1]) }
  return Number.isSafeInteger(numbers.stream) && Number.isSafeInteger(numbers.consumer) ? numbers : null
}
