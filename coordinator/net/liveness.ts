import { silenceMs } from '../../protocol/socket.ts'

/** A living worker whose arithmetic stands still for so long, with work in hand, is given up; one that is slow gets longer. */
const stallMs = 300_000
const stallMicroBatches = 20
/** After the bus was away, beats need a moment to come through again. */
const pardonMs = 3000

/** `speed` is measured, in micro-batches per millisecond, or null. Measuring units and loading states take time of their own: never less. */
export function patienceOf(speed: number | null): number {
  return speed === null ? stallMs : Math.max(stallMs, stallMicroBatches / speed)
}

interface Watermark {
  step: number
  microBatches: number
  bytes: number
}

/**
 * Silence and progress of one worker. Time counts only while the coordinator's own loop is awake: after a pause each tick adds at most
 * twice its period, so that a coordinator that was stopped does not bury workers whose beats wait in its sockets.
 */
export class Liveness {
  readonly #tickMs: number
  #silentMs = 0
  #stillMs = 0
  #last: Watermark | null = null

  constructor(tickMs: number) {
    this.#tickMs = tickMs
  }

  beat(mark: Watermark | null): void {
    this.#silentMs = Math.min(0, this.#silentMs)
    if (mark === null) return
    const last = this.#last
    if (last === null || last.step !== mark.step || last.microBatches !== mark.microBatches || last.bytes !== mark.bytes) this.#stillMs = 0
    this.#last = { ...mark }
  }

  /** The bus was away: silence says nothing for a while. */
  pardon(): void {
    this.#silentMs = -pardonMs
  }

  /** `patienceMs` is null while the worker has nothing to do. @returns why it counts as dead, or null. */
  tick(elapsedMs: number, patienceMs: number | null): string | null {
    const counted = Math.min(elapsedMs, 2 * this.#tickMs)
    this.#silentMs += counted
    this.#stillMs = patienceMs === null ? 0 : this.#stillMs + counted
    if (this.#silentMs > silenceMs) return `no heartbeat for ${silenceMs} ms`
    if (patienceMs !== null && this.#stillMs > patienceMs) return `no progress for ${Math.round(patienceMs / 1000)} s`
    return null
  }
}
