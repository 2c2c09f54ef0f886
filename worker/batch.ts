import type { StepJob } from '../protocol/job.ts'
import { SampleOrder } from '../protocol/order.ts'
import { type Key, normals, type Purpose, uniforms, Words } from '../protocol/random.ts'
import { pixelsToModel } from './data/pixels.ts'
import type { Pool, Pools } from './data/pools.ts'
import type { Schedule } from './diffusion/schedule.ts'
import type { HostTensor } from './engine/engine.ts'
import { size } from './nn/parameters.ts'
import { isClassInput, type LossInput, lossInputShapes } from './unlearning/losses.ts'
import { Substitution } from './unlearning/substitution.ts'

export type HostBatch = Partial<Record<LossInput, HostTensor>>

/** A pool in endless reshuffled passes. */
class Draws {
  readonly #pool: Pool
  readonly #order: SampleOrder

  constructor(pool: Pool, seed: number, purpose: Purpose) {
    this.#pool = pool
    this.#order = new SampleOrder(seed, purpose, pool.items.length)
  }

  /** Writes the image at a position of the order; returns its label. */
  take(position: number, out: Float32Array | undefined): number {
    const { data, items, labels } = this.#pool
    const place = this.#order.at(position)
    if (out) pixelsToModel(data.read(items[place]), out, data.channels)
    return labels ? labels[place] : data.labels[items[place]]
  }
}

/**
 * Draws micro-batches. Everything in one follows from (seed, step, place in the batch): which samples, their t and noise. No
 * state is carried from one draw to the next, so any worker draws the same.
 */
export class BatchSource {
  readonly #job: StepJob
  readonly #image: readonly [channels: number, height: number, width: number]
  readonly #schedule: Schedule
  readonly #needs: readonly LossInput[]
  readonly #nullClass: number | null
  readonly #keep: Draws
  readonly #forget: Draws | null
  readonly #alternative: Draws | null
  readonly #substitution: Substitution | null

  /** `nullClass` takes the place of dropped labels; null where the model has none. */
  constructor(
    job: StepJob,
    pools: Pools,
    schedule: Schedule,
    { needs, nullClass }: { needs: readonly LossInput[]; nullClass: number | null },
  ) {
    const { channels, height, width } = pools.keep.data
    this.#job = job
    this.#image = [channels, height, width]
    this.#schedule = schedule
    this.#needs = needs
    this.#nullClass = nullClass
    this.#keep = new Draws(pools.keep, job.seed, 'order_keep')
    this.#forget = pools.forget && new Draws(pools.forget, job.seed, 'order_forget')
    this.#alternative = pools.alternative && new Draws(pools.alternative, job.seed, 'order_alternative')
    const { method } = job
    this.#substitution = needs.includes('otherClass') && 'substitute' in method ? new Substitution(job, method.substitute, pools) : null
  }

  draw(step: number, microBatch: number): HostBatch {
    const { batchSize, microBatchSize: count } = this.#job.training
    const elements = size({ shape: this.#image })
    const shapes = lossInputShapes(count, this.#image)
    const batch: HostBatch = {}
    for (const name of this.#needs) {
      const Values = isClassInput(name) ? Int32Array : Float32Array
      batch[name] = { shape: shapes[name], data: new Values(size({ shape: shapes[name] })) }
    }
    for (let row = 0; row < count; row++) {
      const place = microBatch * count + row
      const slice = (name: LossInput) => batch[name]?.data.subarray(row * elements, (row + 1) * elements) as Float32Array | undefined
      const fill = (name: LossInput, value: number) => {
        const target = batch[name]
        if (target) target.data[row] = value
      }
      this.#drawImages(step, place, step * batchSize + place, slice, fill)
      this.#drawNoise({ seed: this.#job.seed, step, sample: place }, slice, fill)
    }
    return batch
  }

  #drawImages(
    step: number,
    place: number,
    position: number,
    slice: (name: LossInput) => Float32Array | undefined,
    fill: (name: LossInput, value: number) => void,
  ): void {
    const { seed, training } = this.#job
    if (this.#needs.includes('x')) {
      const label = this.#keep.take(position, slice('x'))
      // Of kept samples alone: what is forgotten, or put in its place, must not be taught under no condition.
      const isDropped =
        this.#nullClass !== null &&
        new Words({ seed, purpose: 'label_dropout', step, sample: place }).next() < training.labelDropout * 2 ** 32
      fill('xClass', isDropped ? (this.#nullClass as number) : label)
    }
    const a = this.#forget?.take(position, slice('a'))
    if (a !== undefined) {
      fill('aClass', a)
      if (this.#substitution) fill('otherClass', this.#substitution.draw(a, step, place))
    }
    this.#alternative?.take(position, slice('alternative'))
    if (this.#nullClass !== null) fill('nullClass', this.#nullClass)
  }

  #drawNoise(
    place: Omit<Key, 'purpose'>,
    slice: (name: LossInput) => Float32Array | undefined,
    fill: (name: LossInput, value: number) => void,
  ): void {
    const { method } = this.#job
    const key = (purpose: Purpose): Key => ({ ...place, purpose })
    const [low, high] = 'timesteps' in method ? method.timesteps : [0, 0]
    const t = low + new Words(key('timestep')).below(high - low + 1)
    const noise = slice('noise')
    if (noise) normals(key('noise'), noise)
    const uniform = slice('uniform')
    if (uniform) uniforms(key('uniform_target'), uniform)
    fill('t', t)
    fill('signal', this.#schedule.signal[t])
    fill('sigma', this.#schedule.noise[t])
    if (this.#needs.includes('coin')) fill('coin', uniforms(key('coin'), new Float32Array(1))[0])
  }
}
