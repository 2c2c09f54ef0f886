import { Worker } from 'node:worker_threads'
import { LetheError } from '../../protocol/errors.ts'
import type { CoordinatorMessage, Welcome, WorkerMessage } from '../../protocol/messages.ts'
import type { FromLink, ToLink } from './attendant.ts'
import type { LinkData } from './link-thread.ts'

export interface SeatEvents {
  onMessage(message: CoordinatorMessage): void
  /** At most once: the membership is over, though nobody here ended it. */
  onLost(error: LetheError): void
}

/** A membership as the thread that computes sees it. What comes before `listen` waits. */
export class Seat {
  readonly #post: (message: ToLink) => void
  readonly #early: ((events: SeatEvents) => void)[] = []
  #events: SeatEvents | null = null

  constructor(
    readonly membership: number,
    /** Of the bulk sockets. */
    readonly url: string,
    readonly welcome: Welcome,
    post: (message: ToLink) => void,
  ) {
    this.#post = post
  }

  listen(events: SeatEvents): void {
    this.#events = events
    for (const tell of this.#early.splice(0)) tell(events)
  }

  receive(tell: (events: SeatEvents) => void): void {
    if (this.#events) tell(this.#events)
    else this.#early.push(tell)
  }

  post(message: WorkerMessage): void {
    this.#post({ type: 'post', membership: this.membership, message })
  }

  /** Ends the membership; the link looks for the next one. */
  part(): void {
    this.#post({ type: 'part', membership: this.membership })
  }
}

interface Waiting {
  resolve(seat: Seat | null): void
  reject(error: LetheError): void
}

const closeMs = 3000

/** The worker's place on the bus, which a thread of its own keeps. */
export class Link {
  readonly #thread: Worker
  readonly #onNotice: (message: string) => void
  readonly #exited: Promise<unknown>
  #current: Seat | null = null
  #isTaken = false
  #waiting: Waiting | null = null
  /** How it ended: null in good order. */
  #ending: { error: LetheError | null } | null = null

  constructor(data: LinkData, onNotice: (message: string) => void) {
    this.#onNotice = onNotice
    this.#thread = new Worker(new URL('./link-thread.js', import.meta.url), { workerData: data, execArgv: [] })
    this.#exited = new Promise((resolve) => this.#thread.once('exit', resolve))
    this.#thread.on('message', (message: FromLink) => this.#receive(message))
    this.#thread.on('error', (error) => this.#end(LetheError.from(error)))
    this.#thread.on('exit', () => this.#end(new LetheError('CONNECTION_REFUSED', { message: 'the link to the coordinator ended' })))
  }

  /**
   * The next membership, or null where the run is over.
   * @throws LetheError where none can be had: the code of the refusal, or CONNECTION_REFUSED or BUS_UNAVAILABLE when patience ends.
   */
  seat(): Promise<Seat | null> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject }
      this.#answer()
    })
  }

  /** Ends what there is, once what was posted has arrived. */
  async close(): Promise<void> {
    this.#ending ??= { error: null }
    this.#post({ type: 'close' })
    const patience = setTimeout(() => void this.#thread.terminate(), closeMs)
    await this.#exited
    clearTimeout(patience)
  }

  #answer(): void {
    if (!this.#waiting) return
    const { resolve, reject } = this.#waiting
    if (this.#current && !this.#isTaken) {
      this.#isTaken = true
      resolve(this.#current)
    } else if (this.#ending?.error) reject(this.#ending.error)
    else if (this.#ending) resolve(null)
    else return
    this.#waiting = null
  }

  #receive(message: FromLink): void {
    switch (message.type) {
      case 'welcome':
        this.#current = new Seat(message.membership, message.url, message.welcome, (one) => this.#post(one))
        this.#isTaken = false
        this.#answer()
        return
      case 'message':
        if (this.#current?.membership === message.membership) this.#current.receive(({ onMessage }) => onMessage(message.message))
        return
      case 'lost': {
        const seat = this.#current
        if (seat?.membership !== message.membership) return
        this.#current = null
        seat.receive(({ onLost }) => onLost(LetheError.fromWire(message.error)))
        return
      }
      case 'finished':
        this.#end(null)
        return
      case 'failed':
        this.#end(LetheError.fromWire(message.error))
        return
      case 'notice':
        this.#onNotice(message.message)
        return
    }
  }

  #end(error: LetheError | null): void {
    if (this.#ending) return
    this.#ending = { error }
    const seat = this.#current
    this.#current = null
    seat?.receive(({ onLost }) => onLost(error ?? new LetheError('CONNECTION_REFUSED', { message: 'the run is finished' })))
    this.#answer()
  }

  #post(message: ToLink): void {
    this.#thread.postMessage(message)
  }
}
