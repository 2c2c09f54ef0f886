import { blockElements } from '../../protocol/blocks.ts'

/** The update direction of a step, put together from the shares of those who own its slices. */
export class Gathering {
  readonly #blocks: Uint8Array
  readonly #values: Float32Array
  #missing: number

  constructor(parameterCount: number) {
    this.#values = new Float32Array(parameterCount)
    this.#blocks = new Uint8Array(Math.ceil(parameterCount / blockElements))
    this.#missing = this.#blocks.length
  }

  /**
   * Copies the values to elements [start, start + values.length).
   * @returns false where some of them are there already.
   * @throws RangeError where they are not whole blocks of the direction.
   */
  put(start: number, values: Float32Array): boolean {
    const end = start + values.length
    const isWhole = values.length > 0 && start % blockElements === 0 && (end % blockElements === 0 || end === this.#values.length)
    if (!isWhole || end > this.#values.length) throw new RangeError(`elements ${start} to ${end} are not whole blocks`)
    const [first, last] = [start / blockElements, Math.ceil(end / blockElements)]
    if (this.#blocks.subarray(first, last).includes(1)) return false
    this.#blocks.fill(1, first, last)
    this.#missing -= last - first
    this.#values.set(values, start)
    return true
  }

  /** Null until every element is here. */
  get direction(): Float32Array | null {
    return this.#missing === 0 ? this.#values : null
  }
}
