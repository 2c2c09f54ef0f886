import type { Entry } from './entry.ts'
import type { JournalEvent } from './journal.ts'

/**
 * Which entries of a log count: from each `led` of a higher epoch on, only what that coordinator wrote. A deposed one may have slipped an
 * entry in behind it, where a server forgot its last writes.
 */
export class Fence {
  #epoch = -1
  #writer: string | null = null

  /** Of the last `led` that counts; -1 before the first. */
  get epoch(): number {
    return this.#epoch
  }

  /** @returns whether the entry counts; to be asked in the order of the log. */
  admits({ writer }: Entry, event: JournalEvent): boolean {
    if (event.type === 'led') {
      if (event.epoch <= this.#epoch) return false
      this.#epoch = event.epoch
      this.#writer = writer
      return true
    }
    return writer === this.#writer
  }
}
