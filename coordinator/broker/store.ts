import { join } from 'node:path'
import { type Database, open, type RootDatabase } from 'lmdb'
import type { LetheError } from '../../protocol/errors.ts'
import { diskError } from '../storage/files.ts'
import { checkLmdbFile } from '../storage/lmdb-file.ts'

export type Key = (string | number)[]

/** Tables of small records, and what must wait until they are on disk. */
export interface Store {
  get(table: Table, key: Key): Uint8Array | undefined
  entries(table: Table): Iterable<{ key: Key; value: Uint8Array }>
  keys(table: Table): Key[]
  set(table: Table, key: Key, value: Uint8Array): void
  remove(table: Table, key: Key): void
  /**
   * Calls once everything that was written before is on disk, in the order of the calls: what nobody could be told before a crash has
   * not happened. Where nothing waits for the disk, at once. With the error where the disk failed; then nothing is written any more.
   */
  settled(then: (error: LetheError | null) => void): void
  close(): Promise<void>
}

export const tables = ['revisions', 'entries', 'items', 'blobs', 'chunks'] as const
export type Table = (typeof tables)[number]

/** For a bus that need not outlive its process. */
export class MemoryStore implements Store {
  readonly #tables = new Map<Table, Map<string, { key: Key; value: Uint8Array }>>(tables.map((table) => [table, new Map()]))

  get(table: Table, key: Key): Uint8Array | undefined {
    return this.#tables.get(table)?.get(JSON.stringify(key))?.value
  }

  entries(table: Table): Iterable<{ key: Key; value: Uint8Array }> {
    return this.#tables.get(table)?.values() ?? []
  }

  keys(table: Table): Key[] {
    return Array.from(this.entries(table), ({ key }) => key)
  }

  set(table: Table, key: Key, value: Uint8Array): void {
    this.#tables.get(table)?.set(JSON.stringify(key), { key, value })
  }

  remove(table: Table, key: Key): void {
    this.#tables.get(table)?.delete(JSON.stringify(key))
  }

  settled(then: (error: null) => void): void {
    then(null)
  }

  async close(): Promise<void> {}
}

/** LMDB gives a key of one part back as that part. */
const keyOf = (key: Key | string): Key => (Array.isArray(key) ? key : [key])

/** One LMDB file. Writes of one turn of the loop are one transaction. */
export class LmdbStore implements Store {
  readonly #path: string
  readonly #root: RootDatabase<Uint8Array, Key>
  readonly #tables: Map<Table, Database<Uint8Array, Key>>
  readonly #waiting: { write: number; then: (error: LetheError | null) => void }[] = []
  #written = 0
  #flushed = 0
  #flushing: Promise<void> | null = null
  #error: LetheError | null = null

  constructor(folder: string) {
    this.#path = join(folder, 'bus.mdb')
    try {
      checkLmdbFile(this.#path, 'the store of a bus', 'Move it away and try again.')
      this.#root = open({ path: this.#path, encoding: 'binary', maxDbs: tables.length })
      this.#tables = new Map(tables.map((table) => [table, this.#root.openDB<Uint8Array, Key>({ name: table, encoding: 'binary' })]))
    } catch (cause) {
      throw diskError(cause, `cannot open ${this.#path}`)
    }
  }

  get(table: Table, key: Key): Uint8Array | undefined {
    const value = this.#table(table).get(key)
    return value && new Uint8Array(value)
  }

  *entries(table: Table): Iterable<{ key: Key; value: Uint8Array }> {
    for (const { key, value } of this.#table(table).getRange({ snapshot: false })) yield { key: keyOf(key), value: new Uint8Array(value) }
  }

  keys(table: Table): Key[] {
    return Array.from(this.#table(table).getKeys({ snapshot: false }), keyOf)
  }

  set(table: Table, key: Key, value: Uint8Array): void {
    this.#write(() => this.#table(table).put(key, Buffer.from(value.buffer, value.byteOffset, value.byteLength)))
  }

  remove(table: Table, key: Key): void {
    this.#write(() => this.#table(table).remove(key))
  }

  settled(then: (error: LetheError | null) => void): void {
    if (this.#error || (this.#waiting.length === 0 && this.#flushed === this.#written)) return then(this.#error)
    this.#waiting.push({ write: this.#written, then })
  }

  async close(): Promise<void> {
    await this.#flushing
    await this.#root.close()
  }

  #table(table: Table): Database<Uint8Array, Key> {
    return this.#tables.get(table) as Database<Uint8Array, Key>
  }

  #write(put: () => Promise<boolean>): void {
    if (this.#error) return
    this.#written += 1
    put().catch((cause) => this.#fail(cause))
    this.#flushing ??= this.#flush()
  }

  async #flush(): Promise<void> {
    try {
      while (this.#flushed < this.#written) {
        // What is written while this waits has its own turn.
        const write = this.#written
        await this.#root.committed
        await this.#root.flushed
        this.#flushed = write
        this.#release()
      }
    } catch (cause) {
      this.#fail(cause)
    }
    this.#flushing = null
  }

  #fail(cause: unknown): void {
    this.#error ??= diskError(cause, `cannot write ${this.#path}`)
    this.#release()
  }

  #release(): void {
    while (this.#waiting.length > 0 && (this.#error || this.#waiting[0].write <= this.#flushed)) this.#waiting.shift()?.then(this.#error)
  }
}
