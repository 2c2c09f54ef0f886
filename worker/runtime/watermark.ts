/**
 * How far a worker is, in memory that its arithmetic and its heartbeat thread share. Counters wrap at 2^32: the coordinator only asks
 * whether they move.
 */
const fields = { step: 0, microBatches: 1, bytes: 2 } as const

export type WatermarkField = keyof typeof fields

export class Watermark {
  readonly #cells: Uint32Array

  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(4 * Object.keys(fields).length)) {
    this.#cells = new Uint32Array(memory)
  }

  get memory(): SharedArrayBuffer {
    return this.#cells.buffer as SharedArrayBuffer
  }

  set(field: WatermarkField, value: number): void {
    Atomics.store(this.#cells, fields[field], value)
  }

  add(field: WatermarkField, amount: number): void {
    Atomics.add(this.#cells, fields[field], amount)
  }

  read(): Record<WatermarkField, number> {
    const [step, microBatches, bytes] = [fields.step, fields.microBatches, fields.bytes].map((cell) => Atomics.load(this.#cells, cell))
    return { step, microBatches, bytes }
  }
}
