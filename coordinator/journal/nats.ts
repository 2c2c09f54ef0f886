import { setTimeout as pause } from 'node:timers/promises'
import type { Blobs, Bus } from '../../protocol/bus/bus.ts'
import type { Log as BusLog } from '../../protocol/bus/nats.ts'
import { sha256 } from '../../protocol/digest.ts'
import { LetheError } from '../../protocol/errors.ts'
import type { Log } from '../run/events.ts'
import { damaged, decodeEntry, decodeEvent, type Entry, encodeEntry } from './entry.ts'
import { Fence } from './fence.ts'
import type { Journal, JournalEvent } from './journal.ts'

export interface NatsJournalOptions {
  bus: Pick<Bus, 'onConnection'>
  /** Of this run alone. */
  log: BusLog
  /** For events that are too large for the log. */
  blobs: Blobs
  epoch: number
  /** Random name of this process: 32 hex digits. */
  coordinator: string
  /** Aborted where the journal is not wanted any more before it is open. */
  signal?: AbortSignal
  logger: Log
}

interface Written {
  data: Uint8Array
  /** Until it is known that the server kept it. */
  blob: Uint8Array | null
}

const retryMs = 250

/**
 * Events in a log of the bus, each a compare-and-set on the end of the log as this process knows it. Whenever that is in doubt (an answer
 * was lost, a server came back) the log is read again: what a server forgot is written again from memory, what arrived without an answer
 * is not written twice, and a `led` of another coordinator ends this one with RUN_DEPOSED.
 */
export class NatsJournal implements Journal {
  readonly #options: NatsJournalOptions
  readonly #fence = new Fence()
  /** What the log holds as far as this process knows, in order; and what it held and does not any more. */
  #known: Written[] = []
  #lost: Written[] = []
  /** Sequence of the last entry. */
  #last = 0
  readonly #events: JournalEvent[] = []
  #number = 0
  #isDoubtful = true
  #queue: Promise<void> = Promise.resolve()
  #over: LetheError | null = null
  #isOpen = false
  readonly #closing = new AbortController()

  private constructor(options: NatsJournalOptions) {
    this.#options = options
    options.bus.onConnection((isConnected) => {
      this.#isDoubtful = true
      if (isConnected) void this.#enqueue(null).catch(() => {})
    })
  }

  /**
   * Reads the log and closes it to all earlier coordinators.
   * @throws LetheError RUN_DEPOSED where one of this epoch or a later one has done so before; STORAGE_WRITE where the log is damaged.
   */
  static async open(options: NatsJournalOptions): Promise<NatsJournal> {
    const journal = new NatsJournal(options)
    options.signal?.addEventListener('abort', () => void (journal.#isOpen || journal.close()))
    await journal.append({ type: 'led', epoch: options.epoch, coordinator: options.coordinator })
    journal.#isOpen = true
    return journal
  }

  /**
   * While the bus is away, it waits.
   * @throws LetheError RUN_DEPOSED where another coordinator leads; BUS_PAYLOAD above 64 MiB; BUS_UNAVAILABLE after `close`.
   */
  append(event: JournalEvent): Promise<void> {
    return this.#enqueue(event)
  }

  read(): JournalEvent[] {
    return [...this.#events]
  }

  /** Appends that still wait reject. */
  async close(): Promise<void> {
    this.#over ??= new LetheError('BUS_UNAVAILABLE', { message: 'the journal is closed', hint: 'Run the same command again.' })
    this.#closing.abort()
  }

  /** One after another, because each append expects the one before. Null only makes sure of what was written. */
  #enqueue(event: JournalEvent | null): Promise<void> {
    const done = this.#queue.then(() => this.#write(event))
    this.#queue = done.catch(() => {})
    return done
  }

  async #write(event: JournalEvent | null): Promise<void> {
    let pending: Written | null = null
    while (true) {
      if (this.#over) throw this.#over
      try {
        pending ??= event && encodeEntry(this.#options.coordinator, ++this.#number, event)
        let isThere = false
        while (this.#isDoubtful) isThere = await this.#verify(pending)
        if (isThere || !pending || (await this.#append(pending))) break
        this.#isDoubtful = true
      } catch (error) {
        if (!(error instanceof LetheError) || error.code !== 'BUS_UNAVAILABLE') throw error
        this.#isDoubtful = true
        this.#options.logger.debug({ error: error.format() }, 'the journal waits for the bus')
        await pause(retryMs, undefined, { signal: this.#closing.signal }).catch(() => {})
      }
    }
    if (!event || !pending) return
    this.#events.push(event)
    this.#fence.admits(decodeEntry(pending.data), event)
  }

  /** @returns whether nobody else has appended. */
  async #append(entry: Written): Promise<boolean> {
    if (entry.blob) await this.#options.blobs.put(sha256(entry.blob), entry.blob)
    const sequence = await this.#options.log.append(entry.data, this.#last)
    if (sequence === null) return false
    this.#known.push(entry)
    this.#last = sequence
    return true
  }

  /**
   * Compares the log with what this process knows of it, and writes what it has lost.
   * @returns whether the pending entry is there already.
   */
  async #verify(pending: Written | null): Promise<boolean> {
    this.#isDoubtful = false
    const found: { sequence: number; data: Uint8Array }[] = []
    for await (const entry of this.#options.log.read()) found.push(entry)
    const differs = found.findIndex(({ data }, i) => i >= this.#known.length || !isSame(data, this.#known[i].data))
    const same = differs < 0 ? found.length : differs
    const before = this.#known.slice(0, same)
    const candidates = [...this.#known.slice(same), ...this.#lost, ...(pending ? [pending] : [])]
    const after: Written[] = []
    for (const { data } of found.slice(same)) {
      const own = candidates.find((candidate) => isSame(candidate.data, data))
      if (own) candidates.splice(candidates.indexOf(own), 1)
      else await this.#meet(data)
      after.push(own ?? { data, blob: null })
    }
    this.#known = [...before, ...after]
    this.#last = found.at(-1)?.sequence ?? 0
    this.#lost = candidates.filter((candidate) => candidate !== pending)
    await this.#restore()
    return pending !== null && this.#known.includes(pending)
  }

  /** An entry that this process did not know: of an earlier coordinator, or of one that has taken over. */
  async #meet(data: Uint8Array): Promise<void> {
    const entry = decodeEntry(data)
    const event = await readEvent(entry, this.#options.blobs)
    const { epoch, coordinator } = this.#options
    if (event.type === 'led' && event.epoch >= epoch && entry.writer !== coordinator) {
      this.#over = new LetheError('RUN_DEPOSED', {
        message: 'another coordinator writes the journal of this run now',
        expected: `epoch ${epoch}`,
        received: `epoch ${event.epoch}`,
      })
      throw this.#over
    }
    if (this.#fence.admits(entry, event)) this.#events.push(event)
    else this.#options.logger.warn({ epoch: this.#fence.epoch, type: event.type }, 'what a deposed coordinator wrote does not count')
  }

  /** Writes again what a server has forgotten. */
  async #restore(): Promise<void> {
    for (const entry of this.#known) {
      if (entry.blob === null) continue
      const name = sha256(entry.blob)
      if ((await this.#options.blobs.get(name)) === null) await this.#options.blobs.put(name, entry.blob)
      entry.blob = null
    }
    if (this.#lost.length > 0)
      this.#options.logger.warn({ events: this.#lost.length }, 'the bus lost the end of the journal; it is written again')
    while (this.#lost.length > 0) {
      if (!(await this.#append(this.#lost[0]))) throw unsettled()
      this.#lost.shift()
    }
  }
}

const isSame = (a: Uint8Array, b: Uint8Array) => Buffer.compare(a, b) === 0

const unsettled = () => new LetheError('BUS_UNAVAILABLE', { message: 'the journal grows while it is compared' })

/** All events that count, for a process that does not lead. */
export async function readJournal(log: BusLog, blobs: Blobs): Promise<JournalEvent[]> {
  const fence = new Fence()
  const events: JournalEvent[] = []
  for await (const { data } of log.read()) {
    const entry = decodeEntry(data)
    const event = await readEvent(entry, blobs)
    if (fence.admits(entry, event)) events.push(event)
  }
  return events
}

async function readEvent(entry: Entry, blobs: Blobs): Promise<JournalEvent> {
  if ('event' in entry) return decodeEvent(entry.event)
  const bytes = await blobs.get(entry.blob.sha256)
  if (bytes === null || sha256(bytes) !== entry.blob.sha256) throw damaged('an event whose bytes are gone')
  return decodeEvent(bytes)
}
