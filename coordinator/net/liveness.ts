import { silenceMs } from '../../protocol/socket.ts'

/** A living worker whose arithmetic stands still for so long, with work in hand, is given up. */
export const stallMs = 300_000

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

  beat(mark: Watermark): void {
    this.#silentMs = 0
    const last = this.#last
    if (last === null || last.step !== mark.step || last.microBatches !== mark.microBatches || last.bytes !== mark.bytes) this.#stillMs = 0
    this.#last = { ...mark }
  }

  /** @returns why the worker counts as dead, or null. */
  tick(elapsedMs: number, hasWork: boolean): string | null {
    const counted = Math.min(elapsedMs, 2 * this.#tickMs)
    this.#silentMs += counted
    this.#stillMs = hasWork ? this.#stillMs + counted : 0
    if (this.#silentMs > silenceMs) return `no heartbeat for ${silenceMs} ms`
    if (this.#stillMs > stallMs) return `no progress for ${stallMs / 1000} s`
    return null
  }
}
