import type { StepJob } from '../protocol/job.ts'
import { SampleOrder } from '../protocol/order.ts'
import { type Key, normals, uniforms, Words } from '../protocol/random.ts'
import type { DataSet } from './data/dataset.ts'
import { pixelsToModel } from './data/pixels.ts'
import type { Schedule } from './diffusion/schedule.ts'
import type { HostTensor } from './engine/engine.ts'
import { size } from './nn/parameters.ts'
import { isClassInput, type LossInput, lossInputShapes } from './unlearning/losses.ts'

export type HostBatch = Partial<Record<LossInput, HostTensor>>

/**
 * Draws micro-batches. Everything in one follows from (seed, step, place in the batch): which samples, their t and noise. No
 * state is carried from one draw to the next, so any worker draws the same.
 */
export class BatchSource {
  readonly #job: StepJob
  readonly #data: DataSet
  readonly #schedule: Schedule
  readonly #needs: readonly LossInput[]
  readonly #nullClass: number | null
  readonly #keep: Uint32Array | null
  readonly #keepOrder: SampleOrder
  readonly #forgetOrder: SampleOrder | null

  /** `nullClass` takes the place of dropped labels. */
  constructor(
    job: StepJob,
    data: DataSet,
    schedule: Schedule,
    { needs, nullClass }: { needs: readonly LossInput[]; nullClass: number | null },
  ) {
    this.#job = job
    this.#data = data
    this.#schedule = schedule
    this.#needs = needs
    this.#nullClass = nullClass
    this.#keep = job.kind === 'train' && job.training.include === 'all' ? null : data.keep
    this.#keepOrder = new SampleOrder(job.seed, 'order_keep', this.#keep?.length ?? data.items)
    this.#forgetOrder = data.forget.length > 0 ? new SampleOrder(job.seed, 'order_forget', data.forget.length) : null
  }

  draw(step: number, microBatch: number): HostBatch {
    const { seed, training, method } = this.#job
    const { batchSize, microBatchSize: count } = training
    const { channels, height, width } = this.#data
    const elements = channels * height * width
    const shapes = lossInputShapes(count, [channels, height, width])
    const batch: HostBatch = {}
    for (const name of this.#needs) {
      const Values = isClassInput(name) ? Int32Array : Float32Array
      batch[name] = { shape: shapes[name], data: new Values(size({ shape: shapes[name] })) }
    }
    const [low, high] = method.timesteps
    for (let row = 0; row < count; row++) {
      const place = microBatch * count + row
      const position = step * batchSize + place
      const key = (purpose: Key['purpose']): Key => ({ seed, purpose, step, sample: place })
      const t = low + new Words(key('timestep')).below(high - low + 1)
      const slice = (name: LossInput) => batch[name]?.data.subarray(row * elements, (row + 1) * elements) as Float32Array | undefined
      const fill = (name: LossInput, value: number) => {
        const target = batch[name]
        if (target) target.data[row] = value
      }
      const x = slice('x')
      const dropped = this.#nullClass !== null && training.labelDropout > 0 ? new Words(key('label_dropout')) : null
      const labelOf = (index: number) =>
        dropped && dropped.next() < training.labelDropout * 2 ** 32 ? (this.#nullClass as number) : this.#data.labels[index]
      if (x) {
        const entry = this.#keepOrder.at(position)
        const index = this.#keep ? this.#keep[entry] : entry
        pixelsToModel(this.#data.read(index), x, channels)
        fill('xClass', labelOf(index))
      }
      const a = slice('a')
      if (a && this.#forgetOrder) {
        const index = this.#data.forget[this.#forgetOrder.at(position)]
        pixelsToModel(this.#data.read(index), a, channels)
        fill('aClass', labelOf(index))
      }
      const noise = slice('noise')
      if (noise) normals(key('noise'), noise)
      const uniform = slice('uniform')
      if (uniform) uniforms(key('uniform_target'), uniform)
      fill('t', t)
      fill('signal', this.#schedule.signal[t])
      fill('sigma', this.#schedule.noise[t])
      if (batch.coin) uniforms(key('coin'), batch.coin.data.subarray(row, row + 1) as Float32Array)
    }
    return batch
  }
}
