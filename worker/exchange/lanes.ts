/** Runs work for each worker in the order in which it was asked for, at most `width` pieces of it at a time. */
export class Lanes {
  readonly #width: number
  readonly #lanes = new Map<string, { running: number; waiting: (() => void)[] }>()

  constructor(width: number) {
    this.#width = width
  }

  async run(worker: string, work: () => Promise<void>): Promise<void> {
    const lane = this.#lanes.get(worker) ?? { running: 0, waiting: [] }
    this.#lanes.set(worker, lane)
    if (lane.running === this.#width) await new Promise<void>((resolve) => lane.waiting.push(resolve))
    else lane.running += 1
    try {
      await work()
    } finally {
      // The place goes to the next without ever being free.
      const next = lane.waiting.shift()
      if (next) next()
      else lane.running -= 1
      if (lane.running === 0) this.#lanes.delete(worker)
    }
  }
}
