import type { Job } from '../../protocol/job.ts'
import type { WorkerBulk } from '../../protocol/messages.ts'
import type { Books } from './books.ts'
import type { CoordinatorEvent } from './events.ts'
import type { Mailbox, Ticket } from './mailbox.ts'
import type { RunEvent } from './state.ts'
import { endOf } from './stops.ts'

export interface MeasuringOptions {
  job: Job
  books: Books
  mailbox: Mailbox
  dispatch(event: RunEvent): void
  onEvent(event: CoordinatorEvent): void
}

/** Writes down what workers measured, and says when it is durable. */
export class Measuring {
  readonly #options: MeasuringOptions

  constructor(options: MeasuringOptions) {
    this.#options = options
  }

  /** Training must not begin before what was measured of the parent is durable: nobody could measure it again. */
  async take(
    ticket: Ticket,
    { values, widths }: Extract<WorkerBulk, { type: 'evaluation' }>,
    payload: Uint8Array<ArrayBuffer>,
  ): Promise<void> {
    const { job, books, mailbox, dispatch, onEvent } = this.#options
    const { version, unit } = ticket
    const { evaluated } = books.history
    // The worker before left after it had answered: its answer is being written.
    if (evaluated.get(version)?.has(unit)) return
    await books.record({ type: 'evaluated', version, unit, values, widths, payload })
    const done = mailbox.samples(evaluated.get(version)?.keys() ?? [])
    onEvent({ type: 'progress', phase: 'measure', version, done, total: mailbox.samples() })
    if (endOf(job, books.history) === version) dispatch({ type: 'enough', version })
    dispatch({ ...ticket, type: 'evaluated' })
  }
}
