import { createHash } from 'node:crypto'
import type { Blobs } from '../../protocol/bus/bus.ts'
import type { Log } from '../../protocol/bus/nats.ts'
import { LetheError } from '../../protocol/errors.ts'

/** What becomes of a call to the log. `late`: it fails, and is carried out some calls after. `crash`: done, then the server forgets its end. */
export type Fate = 'done' | 'lostBefore' | 'lostAfter' | 'late' | 'crash'

/** Ways in which a log may be wrong, each of which a test has to notice. */
export type LogFlaw = 'none' | 'comparesNothing' | 'writesTwice'

const unavailable = () => new LetheError('BUS_UNAVAILABLE', { message: 'no answer' })

/** A server's log and blobs in memory, with faults drawn one after another; afterwards it is faultless. */
export class FickleLog {
  entries: Uint8Array[] = []
  forgotten = 0
  readonly #fates: Fate[]
  readonly #flaw: LogFlaw
  readonly #late: (() => void)[] = []
  readonly #listeners: ((isConnected: boolean) => void)[] = []
  readonly #blobs = new Map<string, Uint8Array>()

  constructor(fates: readonly Fate[], flaw: LogFlaw = 'none') {
    this.#fates = [...fates].reverse()
    this.#flaw = flaw
  }

  onConnection(listener: (isConnected: boolean) => void): void {
    this.#listeners.push(listener)
  }

  /** The last entries are gone, and everybody is connected again. */
  crash(entries: number): void {
    for (const listener of this.#listeners) listener(false)
    this.forgotten += Math.min(entries, this.entries.length)
    this.entries = this.entries.slice(0, Math.max(0, this.entries.length - entries))
    this.#late.length = 0
    for (const listener of this.#listeners) listener(true)
  }

  readonly log: Log = {
    append: async (data, expectedLast) => {
      const apply = () => {
        if (this.#flaw !== 'comparesNothing' && this.entries.length !== expectedLast) return null
        this.entries.push(data)
        if (this.#flaw === 'writesTwice' && this.entries.length % 3 === 0) this.entries.push(data)
        return this.entries.length
      }
      await this.#travel()
      const fate = this.#fates.pop() ?? 'done'
      if (fate === 'lostBefore') throw unavailable()
      if (fate === 'late') {
        this.#late.push(apply)
        throw unavailable()
      }
      const sequence = apply()
      if (fate === 'lostAfter') throw unavailable()
      if (fate === 'crash') this.crash(1 + (this.entries.length % 3))
      return sequence
    },
    read: async function* (this: FickleLog) {
      await this.#travel()
      const entries = [...this.entries]
      for (const [i, data] of entries.entries()) yield { sequence: i + 1, data }
    }.bind(this),
    last: async () => this.entries.length,
    delete: async () => {
      this.entries = []
    },
  }

  readonly blobs: Blobs = {
    put: async (name, bytes) => {
      await this.#travel()
      if (createHash('sha256').update(bytes).digest('hex') !== name) throw new Error('a blob under another name')
      this.#blobs.set(name, bytes)
    },
    get: async (name) => this.#blobs.get(name) ?? null,
    delete: async (name) => {
      this.#blobs.delete(name)
    },
  }

  loseBlobs(): void {
    this.#blobs.clear()
  }

  async #travel(): Promise<void> {
    await new Promise(setImmediate)
    if (this.#late.length > 1) this.#late.shift()?.()
  }
}
