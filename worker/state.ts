import { LetheError } from '../protocol/errors.ts'
import type { StepJob } from '../protocol/job.ts'
import { decodeSafetensors, encodeSafetensors, type FloatTensor, floats } from './checkpoint/safetensors.ts'
import { AdamW } from './optimizer/adamw.ts'
import { type EmaOptions, emaDecay, emaUpdate } from './optimizer/ema.ts'
import { learningRateAt } from './optimizer/learning-rate.ts'

/** What an update changes: parameters, AdamW's moments, the moving average, the count of updates. Flat float32 vectors. */
export class TrainingState {
  readonly parameters: Float32Array
  #step = 0
  readonly #optimizer: AdamW | null
  readonly #average: Float32Array | null
  readonly #ema: EmaOptions | undefined
  readonly #training: StepJob['training'] | null

  /** `job` is null where nothing is trained. */
  constructor(parameters: Float32Array, job: StepJob | null) {
    this.parameters = parameters
    this.#training = job?.training ?? null
    this.#optimizer = job ? new AdamW(parameters.length, job.training.optimizer) : null
    this.#ema = job?.kind === 'train' ? job.training.ema : undefined
    this.#average = this.#ema ? parameters.slice() : null
  }

  get step(): number {
    return this.#step
  }

  /** The parameters that are saved and measured: the moving average, where there is one. */
  get released(): Float32Array {
    return this.#average ?? this.parameters
  }

  apply(direction: Float32Array): void {
    if (!this.#optimizer || !this.#training) throw new LetheError('INTERNAL', { message: 'nothing is trained here' })
    this.#optimizer.update(this.parameters, direction, this.#step, learningRateAt(this.#step, this.#training))
    this.#step += 1
    if (this.#average && this.#ema) emaUpdate(this.#average, this.parameters, emaDecay(this.#step, this.#ema))
  }

  export(): Uint8Array {
    const tensors: FloatTensor[] = Object.entries(this.#vectors()).map(([name, data]) => ({
      name,
      dtype: 'F32',
      shape: [data.length],
      data,
    }))
    return encodeSafetensors(tensors, { step: String(this.#step) })
  }

  /** Throws CHECKPOINT_FORMAT or CHECKPOINT_TENSORS; then nothing has changed. */
  import(bytes: Uint8Array): void {
    const { tensors, metadata } = decodeSafetensors(bytes)
    const step = Number(metadata?.step)
    if (!Number.isSafeInteger(step) || step < 0)
      throw new LetheError('CHECKPOINT_FORMAT', { message: 'the training state does not say its step' })
    const incoming = Object.entries(this.#vectors()).map(([name, own]) => {
      const data = floats(tensors, name)
      if (data.length !== own.length)
        throw new LetheError('CHECKPOINT_TENSORS', {
          message: `${name} of the training state has another size`,
          expected: `${own.length}`,
          received: `${data.length}`,
        })
      return { own, data }
    })
    for (const { own, data } of incoming) own.set(data)
    this.#step = step
  }

  #vectors(): Record<string, Float32Array> {
    return {
      parameters: this.parameters,
      ...(this.#optimizer ? { m: this.#optimizer.m, v: this.#optimizer.v } : {}),
      ...(this.#average ? { average: this.#average } : {}),
    }
  }
}
