import { clippedCoefficients } from '../../coordinator/reduce/direction.ts'
import { blockElements, channelPairs, combineInPlace, sumProducts } from '../../protocol/blocks.ts'
import type { SessionSummary, Slice, StepFigures } from '../../protocol/messages.ts'
import type { Method } from '../../protocol/method.ts'
import { denoise } from '../../protocol/methods/denoise.ts'
import { siss } from '../../protocol/methods/siss.ts'
import { addInPlace, type TreeNode, TreeSum } from '../../protocol/tree.ts'
import { dot } from '../../protocol/vector.ts'
import { Chance } from './chance.ts'

/*
 * A job so small that ten thousand runs of it fit into a test, whose sums are as touchy as real ones: gradients have magnitudes from
 * 2^-6 to 2^6 and depend on the parameters, so another order, a part too much or other parameters change the digest. A block of the
 * real 2^16 parameters has a few elements here.
 */

export interface ModelJob {
  readonly steps: number
  readonly microBatches: number
  readonly channels: number
  readonly blocks: number
  readonly perBlock: number
  /** Versions that are measured. */
  readonly stops: readonly number[]
  readonly units: number
  /** The stop whose measurement ends the run. */
  readonly enoughAt: number | null
}

export const clipNorm = 4
export const methodOf = ({ channels }: ModelJob): Method => (channels === 2 ? siss : denoise) as unknown as Method
export const methodOptions = { scalingNorm: 5 }
export const lengthOf = ({ blocks, perBlock }: ModelJob) => blocks * perBlock

export function summaryOf(job: ModelJob): SessionSummary {
  return {
    parameterCount: job.blocks * blockElements,
    channels: [...methodOf(job).channels],
    microBatches: job.microBatches,
    manifestDigest: 'manifest',
    forgetDigest: 'forget',
    items: 100,
    forgetItems: 1,
    imageShape: [8, 8, 1],
    engine: 'model',
  }
}

const noise = (() => {
  const chance = new Chance(1, 0)
  return Float32Array.from({ length: 8192 }, () => (chance.real() - 0.5) * 2 ** chance.integer(-3, 3))
})()

/** 53 bits of a hash of the elements' bits. */
export function digestOf(values: Float32Array): string {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length)
  let a = 0x811c9dc5
  let b = 0x9e3779b9
  for (let i = 0; i < words.length; i++) {
    a = Math.imul(a ^ words[i], 0x01000193)
    b = Math.imul(b + words[i], 0x85ebca6b) ^ (b >>> 13)
  }
  return ((a >>> 0) * 2 ** 21 + (b >>> 11)).toString(36)
}

export interface Partial {
  channel: string
  node: TreeNode
  loss: number
  gradient: Float32Array
}

function gradientOf(step: number, index: number, channel: number, parameters: Float32Array): Float32Array {
  const offset = (step * 977 + index * 389 + channel * 1031) % 4096
  const scale = 2 ** (((index * 5 + step) % 7) - 3)
  const gradient = new Float32Array(parameters.length)
  for (let k = 0; k < gradient.length; k++) gradient[k] = noise[offset + k] * scale + parameters[k] * noise[offset + k + 5]
  return gradient
}

const lossOf = (step: number, index: number, channel: number) => noise[(step * 31 + index * 17 + channel * 7) % 8192] * 1.1

/** What a worker holds of the job: parameters and the optimizer's momenta. */
export class ModelSession {
  readonly job: ModelJob
  readonly parentDigest: string
  step = 0
  parameters: Float32Array
  #momenta: Float32Array
  #digest: string | null = null

  /** `damage` changes the parameters as they are read. */
  constructor(job: ModelJob, damage = 0) {
    this.job = job
    this.parameters = noise.slice(4000, 4000 + lengthOf(job))
    this.parameters[0] += damage
    this.#momenta = new Float32Array(lengthOf(job))
    this.parentDigest = this.digest()
  }

  /** Of each complete subtree within micro-batches [start, end). */
  partials(step: number, start: number, end: number): Partial[] {
    if (step !== this.step) throw new RangeError(`step ${step} is asked for at ${this.step}`)
    return methodOf(this.job).channels.flatMap((name, channel) => {
      const sum = new TreeSum<{ loss: number; gradient: Float32Array }>(this.job.microBatches, (left, right) => ({
        loss: left.loss + right.loss,
        gradient: addInPlace(left.gradient, right.gradient),
      }))
      for (let index = start; index < end; index++) {
        const gradient = gradientOf(step, index, channel, this.parameters)
        sum.put({ level: 0, index }, { loss: lossOf(step, index, channel), gradient })
      }
      return sum.nodes().map(({ node, value }) => ({ channel: name, node, ...value }))
    })
  }

  apply(direction: Float32Array): string {
    for (let k = 0; k < direction.length; k++) {
      this.#momenta[k] = 0.9 * this.#momenta[k] + direction[k]
      this.parameters[k] -= 0.05 * this.#momenta[k]
    }
    this.step += 1
    this.#digest = null
    return this.digest()
  }

  /** Flips the lowest bit of one element. */
  damage(): void {
    flipBit(this.parameters)
    this.#digest = null
  }

  digest(): string {
    this.#digest ??= digestOf(this.parameters)
    return this.#digest
  }

  export(): ModelState {
    return { step: this.step, parameters: this.parameters.slice(), momenta: this.#momenta.slice() }
  }

  import({ step, parameters, momenta }: ModelState): void {
    this.step = step
    this.parameters = parameters.slice()
    this.#momenta = momenta.slice()
    this.#digest = null
  }

  evaluate(unit: number): number {
    return measure(this.digest(), unit)
  }
}

export interface ModelState {
  step: number
  parameters: Float32Array
  momenta: Float32Array
}

export function flipBit(values: Float32Array): void {
  new Uint32Array(values.buffer, values.byteOffset, 1)[0] ^= 1 << 12
}

/** What a unit of evaluation gives for parameters of this digest. */
export function measure(digest: string, unit: number): number {
  return Number.parseInt(digest.slice(0, 6), 36) + unit / 8
}

/** Inner products of every block, as `protocol/blocks.ts` has them for real lengths. */
export function productsOf(gradients: readonly Float32Array[], perBlock: number): number[] {
  const pairs = channelPairs(gradients.length)
  const products: number[] = []
  for (let start = 0; start < gradients[0].length; start += perBlock) {
    const block = gradients.map((gradient) => gradient.subarray(start, start + perBlock))
    for (const [i, j] of pairs) products.push(dot(block[i], block[j]))
  }
  return products
}

/** Where a slice of the real length lies in a vector of the model. */
export function scaled({ start, end }: Pick<Slice, 'start' | 'end'>, { perBlock }: ModelJob): { start: number; end: number } {
  return { start: (start / blockElements) * perBlock, end: (end / blockElements) * perBlock }
}

export interface Reduced extends StepFigures {
  coefficients: Record<string, number>
}

export function reduceProducts(job: ModelJob, products: readonly number[], losses: Record<string, number>): Reduced {
  const method = methodOf(job)
  const scalars = sumProducts(products, method.channels)
  const { coefficients, norm } = clippedCoefficients(method, methodOptions, scalars, clipNorm)
  const norms = Object.fromEntries(method.channels.map((channel) => [channel, Math.sqrt(scalars[channel][channel])]))
  return { losses, norms, updateNorm: norm, coefficients }
}

const references = new Map<string, string[]>()

/** Digest of every version, as one worker gets them that adds micro-batches by a recursion over the whole tree. */
export function referenceOf(job: ModelJob): string[] {
  const key = [job.steps, job.microBatches, job.channels, job.blocks, job.perBlock].join()
  const known = references.get(key)
  if (known) return known
  const session = new ModelSession(job)
  const digests = [session.digest()]
  const { channels } = methodOf(job)
  const size = 2 ** Math.ceil(Math.log2(job.microBatches))
  for (let step = 0; step < job.steps; step++) {
    const sum = (channel: number, start: number, count: number): Float32Array => {
      if (count === 1) return gradientOf(step, start, channel, session.parameters)
      const left = sum(channel, start, count / 2)
      if (start + count / 2 >= job.microBatches) return left
      const right = sum(channel, start + count / 2, count / 2)
      return left.map((value, k) => value + right[k])
    }
    const gradients = channels.map((_, channel) => sum(channel, 0, size))
    const { coefficients } = reduceProducts(job, productsOf(gradients, job.perBlock), {})
    const factors = channels.map((channel) => coefficients[channel])
    digests.push(session.apply(combineInPlace(gradients, factors)))
  }
  references.set(key, digests)
  return digests
}

/** The last version of a job. */
export const endOf = ({ steps, enoughAt }: ModelJob) => enoughAt ?? steps

/** `coordinator/run/stops.ts` for this job: known once everything is measured there. */
export function knownEnd({ units, enoughAt }: ModelJob, evaluated: ReadonlyMap<number, ReadonlyMap<number, unknown>>): number | null {
  return enoughAt !== null && evaluated.get(enoughAt)?.size === units ? enoughAt : null
}
