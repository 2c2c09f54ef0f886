import { LetheError } from '../../protocol/errors.ts'
import type { SessionSummary, WorkerMessage } from '../../protocol/messages.ts'
import type { Picture } from '../../protocol/picture.ts'

type Opened = Extract<WorkerMessage, { type: 'opened' }>

/** Failures of members, without a commit between them, after which the cause is taken to be the job's, if nobody works meanwhile. */
const maxFailures = 3

/** What a run knows of its workers beside what it decides by. */
export class Attendance {
  readonly #meshUrls = new Map<string, string | null>()
  readonly #opened = new Map<string, Opened>()
  #hasChanged = false
  #failures = 0
  #most = 0
  #peakMemoryBytes = 0
  #reference: Picture | null = null

  /** The first image of the forget set. */
  get reference(): Picture | null {
    return this.#reference
  }

  /** The most members at once. */
  get most(): number {
    return this.#most
  }

  /** Of the worker process that has needed most so far. */
  get peakMemoryBytes(): number {
    return this.#peakMemoryBytes
  }

  needed(bytes: number): void {
    this.#peakMemoryBytes = Math.max(this.#peakMemoryBytes, bytes)
  }

  get peers(): { worker: string; url: string | null }[] {
    return [...this.#meshUrls].map(([worker, url]) => ({ worker, url }))
  }

  /** Since the last time that this was asked. */
  hasChanged(): boolean {
    const changed = this.#hasChanged
    this.#hasChanged = false
    return changed
  }

  has(worker: string): boolean {
    return this.#meshUrls.has(worker)
  }

  /** It says that it is ready; whether it is taken is decided later. */
  note(worker: string, message: Opened): void {
    this.#opened.set(worker, message)
  }

  /** It has become a member. */
  join(worker: string, members: number): void {
    const message = this.#opened.get(worker)
    this.#opened.delete(worker)
    this.#meshUrls.set(worker, message?.meshUrl ?? null)
    this.#hasChanged = true
    this.#reference ??= message?.reference ?? null
    this.#most = Math.max(this.#most, members)
  }

  leave(worker: string): void {
    this.#opened.delete(worker)
    if (this.#meshUrls.delete(worker)) this.#hasChanged = true
  }

  progressed(): void {
    this.#failures = 0
  }

  /**
   * A worker failed: is that the run's failure? One whose job cannot even be opened by the first worker, one that leaves numbers that are
   * not finite, or one at which everybody fails, again and again. Never that of a single machine while others work.
   */
  isOfRun({ code }: LetheError, { isMember, members }: { isMember: boolean; members: number }): boolean {
    if (!isMember) return this.#most === 0 && members === 0
    if (code === 'COMPUTE_NOT_FINITE') return true
    this.#failures += 1
    return this.#failures >= maxFailures && members <= 1
  }
}

/** @throws LetheError COMPUTE_DIGEST where a worker computes with another network or engine than the run began with. */
export function checkSession(worker: string, summary: SessionSummary, known: SessionSummary | null): void {
  const shape = ({ parameterCount, channels, microBatches, engine }: SessionSummary) =>
    `${parameterCount} parameters, ${channels.join(' and ') || 'no channels'}, ${microBatches} micro-batches, ${engine}`
  if (known === null || shape(summary) === shape(known)) return
  const message = `${worker} does not compute what the run began with`
  throw new LetheError('COMPUTE_DIGEST', { message, expected: shape(known), received: shape(summary) })
}
