import type { Bus, Subscription } from '../../protocol/bus/bus.ts'
import { downSubject, upSubject } from '../../protocol/bus/subjects.ts'
import { Channel } from '../../protocol/channel.ts'
import { LetheError } from '../../protocol/errors.ts'
import { decodeMessage, encodeMessage } from '../../protocol/frame.ts'
import { type CoordinatorMessage, downPacket, type Welcome, type WorkerMessage } from '../../protocol/messages.ts'
import type { Watermark } from './watermark.ts'

const tickMs = 50
/** How long what was posted last may take to arrive. */
const lastWordMs = 1000

export interface PresenceOptions {
  bus: Bus
  cluster: string
  /** Of the leader. */
  epoch: number
  welcome: Welcome
  watermark: Watermark
  onMessage(message: CoordinatorMessage): void
  /** Once: the membership cannot go on. */
  onError(error: LetheError): void
}

/** One membership on the bus: messages in order and exactly once, and heartbeats with the watermark. */
export class Presence {
  readonly #options: PresenceOptions
  readonly #channel: Channel<WorkerMessage, CoordinatorMessage>
  readonly #timers: NodeJS.Timeout[] = []
  #subscription: Subscription | null = null
  #isOver = false

  constructor(options: PresenceOptions) {
    this.#options = options
    const { bus, cluster, epoch, welcome, watermark, onMessage } = options
    const { worker, memberKey } = welcome
    const subject = upSubject(cluster, welcome.runId)
    this.#channel = new Channel({
      send: (packet) => {
        const mark = packet.body === null ? watermark.read() : null
        bus.publish(subject, encodeMessage({ ...packet, epoch, worker, memberKey, mark }))
      },
      deliver: onMessage,
    })
  }

  /** Resolves when messages of the leader arrive; heartbeats leave from now on. */
  async start(): Promise<void> {
    const { bus, cluster, welcome } = this.#options
    this.#every(welcome.heartbeatMs, () => this.#channel.acknowledge())
    this.#every(tickMs, () => this.#channel.tick(performance.now()))
    // At once too: the leader counts silence from its welcome.
    this.#attempt(() => this.#channel.acknowledge())
    try {
      const subject = downSubject(cluster, welcome.runId, welcome.address)
      const subscription = await bus.subscribe(subject, ({ data }) => this.#attempt(() => this.#receive(data)))
      if (this.#isOver) subscription.unsubscribe()
      else this.#subscription = subscription
    } catch (error) {
      this.#fail(error)
    }
  }

  post(message: WorkerMessage): void {
    this.#attempt(() => this.#channel.post(message, performance.now()))
  }

  /** Stops at once. */
  end(): void {
    this.#isOver = true
    for (const timer of this.#timers) clearInterval(timer)
    this.#subscription?.unsubscribe()
  }

  /** Stops once what was posted has arrived, or after a second. */
  async finish(): Promise<void> {
    const deadline = performance.now() + lastWordMs
    this.#attempt(() => this.#channel.acknowledge())
    while (!this.#isOver && this.#channel.unacknowledged > 0 && performance.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, tickMs / 2))
    this.end()
  }

  #every(ms: number, work: () => void): void {
    this.#timers.push(setInterval(() => this.#attempt(work), ms))
  }

  #receive(data: Uint8Array): void {
    const packet = decodeMessage(data, downPacket)
    // What a deposed leader still says.
    if (packet.epoch === this.#options.epoch) this.#channel.receive(packet, performance.now())
  }

  #attempt(work: () => void): void {
    if (this.#isOver) return
    try {
      work()
    } catch (error) {
      this.#fail(error)
    }
  }

  #fail(error: unknown): void {
    if (this.#isOver) return
    this.end()
    this.#options.onError(LetheError.from(error))
  }
}
