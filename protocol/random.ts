import { boxMuller } from './normal.ts'
import { philoxBlock, wordsPerBlock } from './philox.ts'

export { philox4x32 } from './philox.ts'

/**
 * What a number is drawn for. The values are part of the result of every run: add new ones at the end, never renumber.
 */
export const purposes = {
  /** Initial weights; sample = number of the tensor. */
  init: 1,
  order_keep: 2,
  order_forget: 3,
  timestep: 4,
  noise: 5,
  /** Which side of the SISS mixture a pair takes. */
  coin: 6,
  /** Starting and step noise of generated samples. */
  sample_noise: 7,
  /** Noise of the reconstruction of the forgotten image. */
  reconstruction_noise: 8,
  keep_loss_order: 9,
  keep_loss_timestep: 10,
  keep_loss_noise: 11,
  /** Targets of EraseDiff. */
  uniform_target: 12,
  /** Which labels are dropped, for classifier-free guidance. */
  label_dropout: 13,
  /** Resampling for intervals, and the chunks of the Inception Score. */
  bootstrap: 14,
  /** Hutchinson's probes of the likelihood. */
  likelihood_probe: 15,
  order_alternative: 16,
  /** Kept classes that take the place of forgotten ones. */
  substitute: 17,
  /** Items on which a classifier is measured. */
  accuracy_order: 18,
  reference_order: 19,
  membership_order: 20,
  membership_noise: 21,
  /** Labels of an attack's images, given to one another: a control. */
  label_shuffle: 22,
} as const

export type Purpose = keyof typeof purposes

/** Names one independent, endless sequence of random numbers. */
export interface Key {
  /** 0 .. 2^53 − 1 */
  seed: number
  purpose: Purpose
  /** 0 .. 2^32 − 1 */
  step: number
  /** 0 .. 2^32 − 1 */
  sample: number
}

const isUint32 = (value: number) => value >>> 0 === value

/**
 * The uint32 words of a key, in order: block b is Philox4x32-10 of counter [b, sample, step, purpose number] under the key
 * [seed mod 2^32, floor(seed / 2^32)].
 */
export class Words {
  readonly #key: Key
  readonly #buffer = new Uint32Array(wordsPerBlock)
  #block = 0
  #used = wordsPerBlock

  /** @throws RangeError where a number of the key is no integer of its range. */
  constructor(key: Key) {
    if (!Number.isSafeInteger(key.seed) || key.seed < 0) throw new RangeError(`seed must be an integer from 0 to 2^53 - 1, not ${key.seed}`)
    if (!isUint32(key.step)) throw new RangeError(`step must be an integer from 0 to 2^32 - 1, not ${key.step}`)
    if (!isUint32(key.sample)) throw new RangeError(`sample must be an integer from 0 to 2^32 - 1, not ${key.sample}`)
    if (!Object.hasOwn(purposes, key.purpose)) throw new RangeError(`unknown purpose ${key.purpose}`)
    this.#key = { ...key }
  }

  /** The next block of four words; valid until the next call of any method. Drops what was left of the block before. */
  nextBlock(): Uint32Array {
    if (this.#block === 2 ** 32) throw new RangeError('the sequence of a key has 2^34 numbers')
    const { seed, purpose, step, sample } = this.#key
    philoxBlock(this.#block, sample, step, purposes[purpose], seed, Math.floor(seed / 2 ** 32), this.#buffer, 0)
    this.#block += 1
    this.#used = wordsPerBlock
    return this.#buffer
  }

  next(): number {
    if (this.#used === wordsPerBlock) {
      this.nextBlock()
      this.#used = 0
    }
    return this.#buffer[this.#used++]
  }

  /** Unbiased integer in 0..bound-1, bound ≤ 2^32; words of the incomplete last range are rejected. */
  below(bound: number): number {
    const end = 2 ** 32 - (2 ** 32 % bound)
    let word = this.next()
    while (word >= end) word = this.next()
    return word % bound
  }
}

/** Fills `out` with uniform numbers in [0,1), multiples of 2^-24. */
export function uniforms(key: Key, out: Float32Array): Float32Array {
  const words = new Words(key)
  for (let i = 0; i < out.length; i++) out[i] = (words.next() >>> 8) * 2 ** -24
  return out
}

/** Fills `out` with standard normals; a longer `out` begins with the same numbers. */
export function normals(key: Key, out: Float32Array): Float32Array {
  const words = new Words(key)
  const whole = out.length - (out.length % wordsPerBlock)
  for (let i = 0; i < whole; i += wordsPerBlock) {
    const block = words.nextBlock()
    boxMuller(block[0], block[1], out, i)
    boxMuller(block[2], block[3], out, i + 2)
  }
  if (whole < out.length) {
    const block = words.nextBlock()
    const rest = new Float32Array(wordsPerBlock)
    boxMuller(block[0], block[1], rest, 0)
    boxMuller(block[2], block[3], rest, 2)
    out.set(rest.subarray(0, out.length - whole), whole)
  }
  return out
}
