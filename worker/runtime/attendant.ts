import type { Bus } from '../../protocol/bus/bus.ts'
import { BusRefused } from '../../protocol/bus/refused.ts'
import { type LeaderRecord, leaderBucket } from '../../protocol/bus/subjects.ts'
import { LetheError, type WireError } from '../../protocol/errors.ts'
import type { CoordinatorMessage, Welcome, WorkerMessage } from '../../protocol/messages.ts'
import { failoverPatienceMs, patienceMs, protocolVersion } from '../../protocol/socket.ts'
import { JoinAttempt, type Joiner } from './join.ts'
import { Leaders } from './leaders.ts'
import { Presence } from './presence.ts'
import type { Watermark } from './watermark.ts'

/** To the thread that computes. Memberships are numbered, so that what belongs to an old one is told from the new one's. */
export type FromLink =
  /** `url` is that of the bulk sockets. */
  | { type: 'welcome'; membership: number; url: string; welcome: Welcome }
  | { type: 'message'; membership: number; message: CoordinatorMessage }
  | { type: 'lost'; membership: number; error: WireError }
  /** The run that this worker was part of is over. */
  | { type: 'finished'; reason: string }
  | { type: 'failed'; error: WireError }
  | { type: 'notice'; message: string }
export type ToLink =
  | { type: 'post'; membership: number; message: WorkerMessage }
  | { type: 'part'; membership: number }
  /** Once what was posted has arrived. */
  | { type: 'close' }

export interface AttendantOptions extends Joiner {
  url: string
  cluster: string
  watermark: Watermark
  open(): Promise<Bus>
  tell(message: FromLink): void
}

interface Stay {
  number: number
  record: LeaderRecord
  presence: Presence | null
  end(): void
}

const firstDelayMs = 100
const maxDelayMs = 1000
const lastWordMs = 1000
/** Memberships that end sooner never began. */
const briefMs = 2000
/** A leader may have changed while the hello was on its way; a signature that fails so often is wrong. */
const maxIdentityRefusals = 5

/** Keeps this worker in a run: finds who leads, joins, and joins again whenever a membership is lost. */
export class Attendant {
  readonly #options: AttendantOptions
  readonly #isEmbedded: boolean
  readonly #leaders = new Leaders()
  #bus: Bus | null = null
  #stay: Stay | null = null
  #memberships = 0
  #runId: string | null = null
  #attempt: JoinAttempt | null = null
  #identityRefusals = 0
  #delayMs = firstDelayMs
  #since = performance.now()
  #failure: LetheError | null = null
  #wake: () => void = () => {}
  #isWaitingTold = false
  #isClosed = false

  constructor(options: AttendantOptions) {
    this.#options = options
    this.#isEmbedded = /^wss?:/.test(options.url)
  }

  /** Ends with `close`, or tells `finished` or `failed`. */
  async run(): Promise<void> {
    try {
      const bus = await this.#patiently(() => this.#options.open())
      this.#bus = bus
      await this.#patiently(async () => {
        const store = await bus.keyValue(leaderBucket(this.#options.cluster))
        return store.watch('leader.>', (key, entry) => this.#onRecord(key, entry?.value ?? null))
      }).catch((error) => {
        throw error instanceof BusRefused ? notOfCluster(this.#options.cluster, error) : error
      })
      while (!this.#isClosed) {
        if (this.#runIsFinished()) return this.#options.tell({ type: 'finished', reason: 'the run is finished' })
        await this.#joinNext(bus)
      }
    } catch (error) {
      if (!this.#isClosed) this.#options.tell({ type: 'failed', error: LetheError.from(error).toWire() })
    }
  }

  receive(message: ToLink): void | Promise<void> {
    if (message.type === 'close') return this.#close()
    if (message.membership !== this.#stay?.number) return
    if (message.type === 'post') this.#stay.presence?.post(message.message)
    else this.#stay.end()
  }

  async #close(): Promise<void> {
    this.#isClosed = true
    await this.#stay?.presence?.finish()
    this.#stay?.end()
    this.#wake()
    await this.#bus?.close()
  }

  /** Tries again while a coordinator may be starting. */
  async #patiently<T>(work: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        const result = await work()
        this.#delayMs = firstDelayMs
        return result
      } catch (error) {
        const failure = LetheError.from(error)
        if (this.#isClosed || !isPassing(failure)) throw failure
        this.#failure = failure
        // A bus that was never reached has another address.
        this.#assertPatience(this.#since + patienceMs)
        await this.#pause()
      }
    }
  }

  #assertPatience(until: number): void {
    if (performance.now() + this.#delayMs <= until) return
    const { url } = this.#options
    // Why the bus was never reached, the failure says best itself.
    if (!this.#bus && this.#failure) throw this.#failure
    const seconds = Math.round((performance.now() - this.#since) / 1000)
    const [code, who] = this.#isEmbedded ? (['CONNECTION_REFUSED', 'coordinator'] as const) : (['BUS_UNAVAILABLE', 'leader'] as const)
    const hint = this.#isEmbedded ? undefined : 'Start a coordinator of the same job and cluster, then the worker again.'
    throw new LetheError(code, {
      message: `no ${who} at ${url} for ${seconds} s`,
      received: this.#failure?.message,
      hint,
      cause: this.#failure ?? undefined,
    })
  }

  /** Until the delay is over, or a new leader shows. */
  async #pause(): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    await new Promise<void>((resolve) => {
      this.#wake = resolve
      timer = setTimeout(resolve, this.#delayMs)
    })
    clearTimeout(timer)
    this.#delayMs = Math.min(maxDelayMs, this.#delayMs * 2)
  }

  /** How long this worker looks for a leader now. */
  get #deadline(): number {
    if (this.#isEmbedded) return this.#since + patienceMs
    return this.#runId === null ? Number.POSITIVE_INFINITY : this.#since + failoverPatienceMs
  }

  #runIsFinished(): boolean {
    return this.#runId !== null && this.#leaders.get(this.#runId)?.state === 'finished'
  }

  async #joinNext(bus: Bus): Promise<void> {
    const record = this.#leaders.best(this.#runId)
    const welcome = record && (await this.#join(bus, record))
    if (this.#isClosed) return
    if (record && welcome) {
      const from = performance.now()
      await this.#attend(bus, record, welcome)
      this.#since = performance.now()
      // Whoever is turned out at once, time and again, must not hammer at the door.
      if (this.#since - from > briefMs) this.#delayMs = firstDelayMs
    } else {
      if (!record) this.#tellWaiting()
      this.#assertPatience(this.#deadline)
    }
    if (!this.#isClosed && !this.#runIsFinished()) await this.#pause()
  }

  #tellWaiting(): void {
    if (this.#isWaitingTold) return
    this.#isWaitingTold = true
    const foreign = this.#leaders.foreignProtocol
    const why = foreign === null ? '' : `; one speaks protocol ${foreign}, this worker ${protocolVersion}`
    this.#options.tell({ type: 'notice', message: `waiting for a coordinator${why}` })
  }

  /** @returns null where it may go better next time. */
  async #join(bus: Bus, record: LeaderRecord): Promise<Welcome | null> {
    const attempt = this.#attempt?.isFor(record) ? this.#attempt : new JoinAttempt(record, this.#options)
    this.#attempt = null
    try {
      const welcome = await attempt.ask(bus, this.#options.cluster)
      this.#identityRefusals = 0
      return welcome
    } catch (error) {
      const failure = LetheError.from(error)
      // What a leader refused, it would refuse again.
      if (failure.code === 'BUS_UNAVAILABLE') this.#attempt = attempt
      if (failure.code === 'CONNECTION_IDENTITY') this.#identityRefusals += 1
      if (!isPassing(failure) || this.#identityRefusals >= maxIdentityRefusals) throw failure
      this.#failure = failure
      this.#leaders.failed(record.runId)
      return null
    }
  }

  /** Resolves when the membership is over. */
  async #attend(bus: Bus, record: LeaderRecord, welcome: Welcome): Promise<void> {
    const { cluster, url, watermark, tell } = this.#options
    this.#memberships += 1
    this.#runId = record.runId
    this.#isWaitingTold = false
    const number = this.#memberships
    await new Promise<void>((resolve) => {
      const stay: Stay = {
        number,
        record,
        presence: null,
        end: () => {
          stay.presence?.end()
          if (this.#stay === stay) this.#stay = null
          resolve()
        },
      }
      this.#stay = stay
      stay.presence = new Presence({
        bus,
        cluster,
        epoch: record.epoch,
        welcome,
        watermark,
        onMessage: (message) => tell({ type: 'message', membership: number, message }),
        onError: (error) => this.#lose(stay, error),
      })
      tell({ type: 'welcome', membership: number, url: record.url || url, welcome })
      void stay.presence.start()
    })
    this.#leaders.failed(record.runId)
  }

  #lose(stay: Stay, error: LetheError): void {
    if (this.#stay !== stay) return
    this.#options.tell({ type: 'lost', membership: stay.number, error: error.toWire() })
    stay.end()
  }

  #onRecord(key: string, value: Uint8Array | null): void {
    const record = this.#leaders.note(key, value)
    if (!record) return
    this.#delayMs = firstDelayMs
    this.#wake()
    const stay = this.#stay
    if (stay?.record.runId !== record.runId) return
    // The leader's own last word is the better one, and may be on its way.
    if (record.state === 'finished') setTimeout(() => stay.end(), lastWordMs)
    else if (record.epoch !== stay.record.epoch || record.coordinator !== stay.record.coordinator)
      this.#lose(stay, new LetheError('CONNECTION_REFUSED', { message: 'another coordinator leads the run now' }))
  }
}

function notOfCluster(cluster: string, { received, cause }: LetheError): LetheError {
  return new LetheError('BUS_UNAVAILABLE', {
    message: `this user may not work for the cluster ${cluster}`,
    received,
    hint: 'It was made for another one: check --cluster, or make users for this one (deploy/nats/users.js --cluster).',
    cause,
  })
}

/** May this be otherwise in a moment? */
function isPassing(error: LetheError): boolean {
  if (error instanceof BusRefused) return false
  const { code } = error
  return code === 'BUS_UNAVAILABLE' || code === 'CONNECTION_REFUSED' || code === 'CONNECTION_IDENTITY' || code === 'RUN_DEPOSED'
}
