import { philoxBlock, wordsPerBlock } from '../../protocol/philox.ts'

/** A stream of choices that depends on a seed and nothing else. Streams of one seed are independent. */
export class Chance {
  readonly #seed: number
  readonly #stream: number
  readonly #words = new Uint32Array(wordsPerBlock)
  #block = 0
  #used = wordsPerBlock

  constructor(seed: number, stream: number) {
    this.#seed = seed
    this.#stream = stream
  }

  /** Uniform in [0, 1). */
  real(): number {
    if (this.#used === wordsPerBlock) {
      philoxBlock(this.#block, this.#stream, 0, 0, this.#seed, Math.floor(this.#seed / 2 ** 32), this.#words, 0)
      this.#block += 1
      this.#used = 0
    }
    return this.#words[this.#used++] / 2 ** 32
  }

  /** Integer in 0..bound-1. */
  below(bound: number): number {
    return Math.floor(this.real() * bound)
  }

  /** Integer in low..high. */
  integer(low: number, high: number): number {
    return low + this.below(high - low + 1)
  }

  between(low: number, high: number): number {
    return low + this.real() * (high - low)
  }

  happens(share: number): boolean {
    return share > 0 && this.real() < share
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)]
  }
}
