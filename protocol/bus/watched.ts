import type { KeyValue } from './bus.ts'
import { guarded } from './guarded.ts'

/** Between a watch that is renewed and its listener: each change is shown once, and what was deleted meanwhile is shown too. */
export class Watched {
  readonly #onEntry: Parameters<KeyValue['watch']>[1]
  /** Revisions that the listener has seen, by key. */
  readonly #seen = new Map<string, number>()
  /** Keys that the renewal has not named so far. */
  #unnamed: Set<string> | null = null

  constructor(onEntry: Parameters<KeyValue['watch']>[1]) {
    this.#onEntry = onEntry
  }

  /** From here on every entry that exists is shown again. */
  begin(): void {
    this.#unnamed = new Set(this.#seen.keys())
  }

  show(key: string, value: Uint8Array | null, revision: number): void {
    this.#unnamed?.delete(key)
    if (value === null) {
      if (this.#seen.delete(key)) guarded(() => this.#onEntry(key, null))
    } else if (this.#seen.get(key) !== revision) {
      this.#seen.set(key, revision)
      guarded(() => this.#onEntry(key, { value, revision }))
    }
  }

  /** All that exist have been shown: what was not among them is gone. */
  end(): void {
    for (const key of this.#unnamed ?? []) this.show(key, null, 0)
    this.#unnamed = null
  }
}
