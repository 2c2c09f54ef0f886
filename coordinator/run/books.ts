import type { StepFigures } from '../../protocol/messages.ts'
import { fold, type History, type Journal, type JournalEvent } from '../journal/journal.ts'

/** What a run writes down: its journal, the same as a fold, and where its wall time goes. */
export class Books {
  readonly history: History
  readonly #journal: Journal
  #phase = 'prepare'
  #phaseSince = performance.now()
  #committedAt = performance.now()

  constructor(journal: Journal, history: History) {
    this.#journal = journal
    this.history = history
  }

  /** Resolves when the event is durable. */
  async record(event: JournalEvent): Promise<void> {
    fold(this.history, event)
    await this.#journal.append(event)
  }

  /** The steps are timed from commit to commit; what passes before the next one is not a step's. */
  restartClock(): void {
    this.#committedAt = performance.now()
  }

  commit(step: StepFigures & { version: number; digest: string; workers: number; peakMemoryBytes: number }): Promise<void> {
    const now = performance.now()
    const stepMs = now - this.#committedAt
    this.#committedAt = now
    return this.record({ type: 'committed', ...step, stepMs })
  }

  /** Books the wall time of the phase that ends. */
  async spend(next = this.#phase): Promise<void> {
    const now = performance.now()
    const event: JournalEvent = { type: 'spent', phase: this.#phase, ms: now - this.#phaseSince }
    this.#phase = next
    this.#phaseSince = now
    await this.record(event)
  }
}
