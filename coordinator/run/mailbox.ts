import { chunkElements } from '../../protocol/blocks.ts'
import { LetheError } from '../../protocol/errors.ts'
import { readingBytes } from '../../protocol/evaluated.ts'
import { type EvaluationUnit, evaluationUnits, type Metric, type Reading, readingsOf } from '../../protocol/evaluation.ts'
import type { Job } from '../../protocol/job.ts'
import type { SessionSummary, WorkerBulk } from '../../protocol/messages.ts'
import { stateBytesLimit } from '../../protocol/transfer.ts'
import type { Exports } from './exports.ts'

/** A unit of evaluation that a worker has in hand. */
export interface Ticket {
  worker: string
  version: number
  unit: number
  rewinds: number
}

const imageBytesPerSample = 2 ** 20

function unasked(worker: string, what: string): LetheError {
  return new LetheError('CONNECTION_FRAME', { message: `${worker} sent ${what} that it was not asked for` })
}

/** Extractors have the widths that workers found when they opened the job; only a classifier's are not known before. A distance and the number of an item are one number. */
function areReadings(widths: readonly number[], { evaluate }: Job, metric: Metric, { extractors = [] }: SessionSummary): boolean {
  const expected = readingsOf(evaluate, metric)
  const fits = (reading: Reading, width: number) => {
    if (typeof reading === 'number') return width === (evaluate.extractors?.[reading].score === 'fid' ? extractors[reading]?.features : 1)
    return (reading !== 'distance' && reading !== 'item') || width === 1
  }
  return widths.length === expected.length && expected.every((reading, i) => fits(reading, widths[i]))
}

/** What the run has asked of its workers, and so what a transfer from one of them may be. */
export class Mailbox {
  readonly units: readonly EvaluationUnit[]
  readonly tickets = new Map<number, Ticket>()
  readonly #job: Job
  readonly #exports: Exports
  readonly #relays: boolean
  #next = 0

  /** `relays`: may workers reach each other through here? */
  constructor(job: Job, exports: Exports, relays: boolean) {
    this.units = evaluationUnits(job)
    this.#job = job
    this.#relays = relays
    this.#exports = exports
  }

  /** How many samples these units have; all where none are named. */
  samples(units: Iterable<number> = this.units.keys()): number {
    return [...units].reduce((sum, unit) => sum + this.units[unit].count, 0)
  }

  issue(ticket: Ticket): number {
    this.#next += 1
    this.tickets.set(this.#next, ticket)
    return this.#next
  }

  /** Bytes that a transfer may have. @throws LetheError CONNECTION_FRAME for one that nobody asked for. */
  limit(worker: string, summary: SessionSummary | undefined, message: WorkerBulk): number {
    if (summary === undefined) throw unasked(worker, `a ${message.type}`)
    switch (message.type) {
      case 'partial':
        return 4 * summary.parameterCount
      case 'relay':
        if (!this.#relays) throw unasked(worker, 'something for another worker')
        return 4 * Math.min(chunkElements, summary.parameterCount)
      case 'file':
      case 'state':
        if (!this.#exports.isAsked(message.ticket, worker)) throw unasked(worker, `a ${message.type}`)
        return stateBytesLimit(summary.parameterCount)
      case 'evaluation': {
        const { metric, count } = this.units[this.#ticket(worker, message.ticket).unit]
        if (message.values.length !== count) throw unasked(worker, `${message.values.length} values`)
        if (!areReadings(message.widths, this.#job, metric, summary))
          throw unasked(worker, `readings of widths ${message.widths.join(', ')}`)
        const numbers = readingBytes(message.widths, count)
        if (message.totalBytes < numbers) throw unasked(worker, 'less than its header says of')
        return count * imageBytesPerSample + numbers
      }
    }
  }

  /** Takes the ticket back. */
  close(worker: string, number: number): Ticket {
    const ticket = this.#ticket(worker, number)
    this.tickets.delete(number)
    return ticket
  }

  #ticket(worker: string, number: number): Ticket {
    const ticket = this.tickets.get(number)
    if (ticket?.worker !== worker) throw unasked(worker, 'a measurement')
    return ticket
  }
}
