import type { CoordinatorEvent } from '../coordinator/main.ts'
import { duration, isTerminal, paint } from './terminal.ts'

type ProgressEvent = Extract<CoordinatorEvent, { type: 'progress' }>
export type Phase = ProgressEvent['phase']

/** What is known about the phase that runs. Times in milliseconds of a monotonic clock. */
export interface PhaseProgress {
  phase: Phase
  done: number
  total: number
  losses?: Record<string, number>
  /** The last few (time, done) pairs, oldest first: the rate is that of now, not of the whole run. */
  marks: readonly { at: number; done: number }[]
}

const titles: Record<Phase, string> = {
  train: 'steps',
  measure: 'measuring',
}
const marksKept = 12
const redrawMs = 100
const plainEveryMs = 5000
const barCells = 20

export function advance(previous: PhaseProgress | undefined, event: ProgressEvent, now: number): PhaseProgress {
  const same = previous && previous.phase === event.phase ? previous : undefined
  return {
    phase: event.phase,
    done: event.done,
    total: event.total,
    losses: (event.phase === 'train' ? event.losses : undefined) ?? same?.losses,
    marks: [...(same?.marks ?? []), { at: now, done: event.done }].slice(-marksKept),
  }
}

/** Per second, or undefined before two marks are known. */
export function rateOf({ marks }: PhaseProgress): number | undefined {
  const [first, last] = [marks[0], marks.at(-1)]
  if (!first || !last || last.at <= first.at || last.done <= first.done) return undefined
  return ((last.done - first.done) * 1000) / (last.at - first.at)
}

/** `steps 34/60  1.90 steps/s  14 s left  loss keep 31.2, forget 840`. */
export function progressText(progress: PhaseProgress): string {
  const { phase, done, total, losses } = progress
  const rate = rateOf(progress)
  const channels = Object.entries(losses ?? {}).map(([channel, loss]) => `${channel} ${Number(loss.toPrecision(4))}`)
  const parts = [
    total > 0 ? `${titles[phase]} ${done}/${total}` : titles[phase],
    rate !== undefined && phase === 'train' && `${rate.toPrecision(3)} steps/s`,
    rate !== undefined && done < total && `${duration((total - done) / rate)} left`,
    channels.length > 0 && `loss ${channels.join(', ')}`,
  ]
  return parts.filter(Boolean).join('  ')
}

export function progressBar(done: number, total: number, cells = barCells): string {
  const filled = total > 0 ? Math.min(cells, Math.floor((done * cells) / total)) : 0
  return '█'.repeat(filled) + '░'.repeat(cells - filled)
}

/** One line that is rewritten on a terminal; elsewhere a plain line every five seconds or every tenth of a phase. */
export class ProgressLine {
  #progress: PhaseProgress | undefined
  #shownAt = Number.NEGATIVE_INFINITY
  #shownTenth = -1
  #onScreen = false
  readonly #stream: NodeJS.WriteStream
  readonly #live: boolean
  readonly #now: () => number

  constructor(stream: NodeJS.WriteStream, now: () => number = () => performance.now()) {
    this.#stream = stream
    this.#live = isTerminal(stream)
    this.#now = now
  }

  update(event: ProgressEvent): void {
    const newPhase = this.#progress?.phase !== event.phase
    this.#progress = advance(this.#progress, event, this.#now())
    if (newPhase) this.#shownTenth = -1
    const finished = event.total > 0 && event.done >= event.total
    if (this.#live) {
      if (newPhase || finished || this.#now() - this.#shownAt >= redrawMs) this.#draw()
      if (finished) this.#keep()
    } else if (this.#due(finished)) {
      this.#shownAt = this.#now()
      this.#stream.write(`${progressText(this.#progress)}\n`)
    }
  }

  /** Prints a line of its own above the progress. */
  note(text: string): void {
    this.#clear()
    this.#stream.write(`${text}\n`)
    if (this.#live && this.#progress && this.#progress.done < this.#progress.total) this.#draw()
  }

  close(): void {
    if (this.#onScreen) this.#keep()
  }

  #due(finished: boolean): boolean {
    const { done, total } = this.#progress as PhaseProgress
    const tenth = total > 0 ? Math.floor((done * 10) / total) : 0
    const due = finished ? this.#shownTenth < 10 : tenth > this.#shownTenth && this.#shownTenth >= 0
    const first = this.#shownTenth < 0 && done > 0
    if (!due && !first && this.#now() - this.#shownAt < plainEveryMs) return false
    this.#shownTenth = finished ? 10 : tenth
    return true
  }

  #draw(): void {
    const { done, total } = this.#progress as PhaseProgress
    const text = progressText(this.#progress as PhaseProgress)
    const columns = this.#stream.columns || 80
    const room = columns - barCells - 3
    const shown = text.length > room ? `${text.slice(0, Math.max(0, room - 1))}…` : text
    this.#stream.write(`\r\x1b[2K${paint(this.#stream, 'cyan', progressBar(done, total))}  ${shown}`)
    this.#shownAt = this.#now()
    this.#onScreen = true
  }

  #clear(): void {
    if (this.#onScreen) this.#stream.write('\r\x1b[2K')
    this.#onScreen = false
  }

  #keep(): void {
    this.#stream.write('\n')
    this.#onScreen = false
  }
}
