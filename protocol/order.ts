import type { Purpose } from './random.ts'
import { Words } from './random.ts'

/** Keyed Fisher–Yates shuffle of 0..n-1. The same (seed, purpose, epoch, n) gives the same order everywhere. */
export function permutation(seed: number, purpose: Purpose, epoch: number, n: number): Uint32Array {
  const words = new Words({ seed, purpose, step: epoch, sample: 0 })
  const order = new Uint32Array(n)
  for (let i = 0; i < n; i++) order[i] = i
  for (let i = n - 1; i > 0; i--) {
    const j = words.below(i + 1)
    const swapped = order[i]
    order[i] = order[j]
    order[j] = swapped
  }
  return order
}

/** Passes kept: a batch reads forwards and may straddle two. */
const cachedPasses = 2

/** Endless reshuffled passes over n items: position p is entry p mod n of pass floor(p / n). */
export class SampleOrder {
  readonly #seed: number
  readonly #purpose: Purpose
  readonly #n: number
  readonly #passes = new Map<number, Uint32Array>()

  constructor(seed: number, purpose: Purpose, n: number) {
    if (!Number.isInteger(n) || n < 1 || n > 2 ** 32 - 1) throw new RangeError(`n must be an integer from 1 to 2^32 - 1, not ${n}`)
    this.#seed = seed
    this.#purpose = purpose
    this.#n = n
  }

  /** The item at a position ≥ 0. */
  at(position: number): number {
    if (!Number.isSafeInteger(position) || position < 0) throw new RangeError(`position must be an integer from 0 on, not ${position}`)
    const pass = Math.floor(position / this.#n)
    return this.#order(pass)[position - pass * this.#n]
  }

  #order(pass: number): Uint32Array {
    const known = this.#passes.get(pass)
    if (known) return known
    const order = permutation(this.#seed, this.#purpose, pass, this.#n)
    if (this.#passes.size === cachedPasses) this.#passes.delete(this.#passes.keys().next().value as number)
    this.#passes.set(pass, order)
    return order
  }
}
