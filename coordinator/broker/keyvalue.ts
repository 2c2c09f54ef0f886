import type { Entry } from '../../protocol/bus/bus.ts'

/** Null where a key was deleted; `revision` is then the bucket's. */
export interface Change {
  key: string
  value: Uint8Array | null
  revision: number
}

/** One bucket: values by key, and a count of changes. Knows no clock, no disk, no sockets. */
export class Bucket {
  readonly #entries = new Map<string, Entry>()
  #revision: number

  constructor(revision = 0, entries: Iterable<[string, Entry]> = []) {
    this.#revision = revision
    for (const [key, entry] of entries) this.#entries.set(key, entry)
  }

  /** Nothing was ever written. */
  get isUntouched(): boolean {
    return this.#revision === 0
  }

  get(key: string): Entry | null {
    return this.#entries.get(key) ?? null
  }

  entries(): Iterable<[string, Entry]> {
    return this.#entries
  }

  /** Keys behind `after` in order, at most `limit`. */
  keys(after: string, limit: number): { keys: string[]; isMore: boolean } {
    const keys = [...this.#entries.keys()].filter((key) => key > after).sort()
    return { keys: keys.slice(0, limit), isMore: keys.length > limit }
  }

  /**
   * @param expected revision that the key must be at, 0 where it must not exist, null for whatever it is.
   * @returns null where it is not as expected.
   */
  set(key: string, value: Uint8Array, expected: number | null): Change | null {
    if (expected !== null && (this.#entries.get(key)?.revision ?? 0) !== expected) return null
    const revision = ++this.#revision
    this.#entries.set(key, { value, revision })
    return { key, value, revision }
  }

  /** @returns null where there was nothing. */
  delete(key: string): Change | null {
    if (!this.#entries.delete(key)) return null
    return { key, value: null, revision: ++this.#revision }
  }
}
