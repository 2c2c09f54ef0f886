import { emptyHistory, fold, type History, type JournalEvent } from '../../coordinator/journal/journal.ts'
import type { RecordEntry } from '../../coordinator/leadership/state.ts'
import type { LeaderRecord } from '../../protocol/bus/subjects.ts'
import type { Checks } from './checks.ts'
import type { Network } from './network.ts'
import type { Process, World } from './world.ts'

/** The record of who leads, as the key-value store of the bus keeps it. */
export class Records {
  entry: RecordEntry | null = null
  readonly #world: World
  readonly #onWrite: () => void

  constructor(world: World, onWrite: () => void) {
    this.#world = world
    this.#onWrite = onWrite
  }

  /** Compare and set. @returns the new revision, or null. */
  write(record: LeaderRecord, revision: number | null): number | null {
    if ((this.entry?.revision ?? null) !== revision && this.#world.flaw !== 'leadsBlindly') return null
    this.entry = { record, revision: (this.entry?.revision ?? 0) + 1 }
    this.#onWrite()
    return this.entry.revision
  }
}

export interface LogEntry {
  readonly writer: string
  readonly epoch: number
  /** Among the writer's own. */
  readonly number: number
  readonly event: JournalEvent
}

/** The log on the bus that holds the journal: an append names the length that it expects. */
export class LogServer {
  readonly entries: LogEntry[] = []
  readonly #world: World
  readonly #checks: Checks

  constructor(world: World, checks: Checks) {
    this.#world = world
    this.#checks = checks
  }

  /** @returns the new length, or null where somebody else has appended. */
  append(entry: LogEntry, expected: number): number | null {
    if (this.entries.length !== expected && this.#world.flaw !== 'appendsBlindly') return null
    this.#checks.appended(entry, this.entries)
    this.entries.push(entry)
    return this.entries.length
  }
}

interface Pending {
  readonly entry: LogEntry
  done(): void
}

export interface JournalOptions {
  process: Process
  network: Network
  server: LogServer
  writer: string
  epoch: number
  onDeposed(): void
}

const answerMs = 700

/** `coordinator/journal/nats.ts` in virtual time: one append after another, and a look at the log whenever an answer is missing. */
export class ModelJournal {
  readonly #options: JournalOptions
  readonly #queue: Pending[] = []
  #known = 0
  #number = 0
  #attempt = 0
  #isBusy = true
  #isOver = false
  /** What the log held when this coordinator closed it to earlier ones. */
  history: History = emptyHistory()

  constructor(options: JournalOptions) {
    this.#options = options
  }

  open(done: (history: History) => void): void {
    const { epoch, writer } = this.#options
    this.append({ type: 'led', epoch, coordinator: writer }, () => {
      const events = this.#options.server.entries.slice(0, this.#known).map(({ event }) => event)
      this.history = events.reduce(fold, emptyHistory())
      done(this.history)
    })
    this.#verify()
  }

  append(event: JournalEvent, done: () => void = () => {}): void {
    const { writer, epoch } = this.#options
    this.#number += 1
    this.#queue.push({ entry: { writer, epoch, number: this.#number, event }, done })
    this.#next()
  }

  close(): void {
    this.#isOver = true
  }

  #next(): void {
    const [pending] = this.#queue
    if (this.#isBusy || this.#isOver || !pending) return
    this.#isBusy = true
    const { server } = this.#options
    const known = this.#known
    this.#call(
      () => server.append(pending.entry, known),
      (length) => {
        if (length === null) return this.#verify()
        this.#succeed(length)
      },
    )
  }

  #succeed(length: number): void {
    this.#known = length
    const pending = this.#queue.shift()
    this.#isBusy = false
    pending?.done()
    this.#next()
  }

  /** Reads the log again: was it written after all, or has another one taken over? */
  #verify(): void {
    this.#isBusy = true
    const { server, epoch, writer, onDeposed } = this.#options
    this.#call(
      () => server.entries.slice(),
      (entries) => {
        const other = entries.find(({ event, writer: by }) => event.type === 'led' && event.epoch >= epoch && by !== writer)
        if (other) {
          this.#isOver = true
          return onDeposed()
        }
        const [pending] = this.#queue
        if (pending && entries.some((entry) => entry.writer === writer && entry.number === pending.entry.number)) {
          return this.#succeed(entries.length)
        }
        this.#known = entries.length
        this.#isBusy = false
        this.#next()
      },
    )
  }

  #call<T>(serve: () => T, answer: (result: T) => void): void {
    const { network, process } = this.#options
    this.#attempt += 1
    const attempt = this.#attempt
    network.call(process, serve, (result) => {
      if (attempt !== this.#attempt || this.#isOver) return
      this.#attempt += 1
      answer(result)
    })
    process.after(answerMs, () => {
      if (attempt === this.#attempt && !this.#isOver) this.#verify()
    })
  }
}
