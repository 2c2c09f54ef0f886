import { LetheError } from '../protocol/errors.ts'
import type { StepJob } from '../protocol/job.ts'
import { methodOf } from '../protocol/methods/index.ts'
import { roundAt, roundsOf } from '../protocol/rounds.ts'
import { addInPlace } from '../protocol/tree.ts'
import { decodeSafetensors, encodeSafetensors, type FloatTensor, floats } from './checkpoint/safetensors.ts'
import { AdamW } from './optimizer/adamw.ts'
import { type EmaOptions, emaDecay, emaUpdate } from './optimizer/ema.ts'
import { learningRateAt } from './optimizer/learning-rate.ts'
import { salientCount, salientWeights } from './unlearning/saliency.ts'

/** What rounds change: parameters, AdamW's moments, the moving average, what was prepared, the count of rounds. Flat float32 vectors. */
export class TrainingState {
  readonly parameters: Float32Array
  /** Rounds that were applied. */
  #step = 0
  readonly #training: TrainingParts | null
  readonly #average: Float32Array | null
  readonly #ema: EmaOptions | undefined
  /** Which weights may move; found once the preparation is over. */
  #mask: Uint8Array | null = null

  /** `job` is null where nothing is trained. */
  constructor(parameters: Float32Array, job: StepJob | null) {
    this.parameters = parameters
    this.#training = job && partsOf(job, parameters.length)
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

  /** The sum of what `prepare` rounds found; null for a method without them. */
  get prepared(): Float32Array | null {
    return this.#training?.prepared ?? null
  }

  /** Takes the direction of the next round. */
  apply(direction: Float32Array): void {
    if (!this.#training) throw new LetheError('INTERNAL', { message: 'nothing is trained here' })
    const { job, rounds, optimizer, prepared, saved, innerLearningRate } = this.#training
    const { phase, update, isFirst, isLast } = roundAt(rounds, this.#step)
    // Moments go on over inner steps, as in the authors' code: one count of updates for both.
    const number = this.#step - rounds.prepare
    if (phase === 'prepare') {
      if (prepared) addInPlace(prepared, direction)
    } else if (phase === 'inner' && saved) {
      if (isFirst) saved.set(this.parameters)
      optimizer.update(this.parameters, direction, number, innerLearningRate)
      if (isLast) this.parameters.set(saved)
    } else {
      optimizer.update(this.parameters, direction, number, learningRateAt(update, job.training), this.#masked())
      if (this.#average && this.#ema) emaUpdate(this.#average, this.parameters, emaDecay(update + 1, this.#ema))
    }
    this.#step += 1
  }

  #masked(): Uint8Array | null {
    const { saliencyShare, prepared } = this.#training as TrainingParts
    if (saliencyShare !== null && prepared) this.#mask ??= salientWeights(prepared, saliencyShare)
    return this.#mask
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
    this.#mask = null
  }

  #vectors(): Record<string, Float32Array> {
    const { optimizer, prepared = null, saved = null } = this.#training ?? {}
    return {
      parameters: this.parameters,
      ...(optimizer ? { m: optimizer.m, v: optimizer.v } : {}),
      ...(this.#average ? { average: this.#average } : {}),
      ...(prepared ? { prepared } : {}),
      ...(saved ? { saved } : {}),
    }
  }
}

interface TrainingParts {
  job: StepJob
  rounds: ReturnType<typeof roundsOf>
  optimizer: AdamW
  prepared: Float32Array | null
  /** Parameters that inner steps come back to. */
  saved: Float32Array | null
  innerLearningRate: number
  /** Share of weights that may move; null for all. */
  saliencyShare: number | null
}

function partsOf(job: StepJob, length: number): TrainingParts {
  const rounds = roundsOf(job)
  const { inner, prepare } = methodOf(job.method.name)
  const saliencyShare = prepare?.of === 'saliency' ? prepare.share(job.method as never) : null
  if (saliencyShare !== null && salientCount(length, saliencyShare) === 0)
    throw new LetheError('JOB_INVALID', {
      message: 'no weight could move',
      expected: `method.saliency.share of at least ${1 / length}, one of ${length} weights`,
      received: `${saliencyShare}`,
    })
  return {
    job,
    rounds,
    optimizer: new AdamW(length, job.training.optimizer),
    prepared: rounds.prepare > 0 ? new Float32Array(length) : null,
    saved: rounds.inner > 0 ? new Float32Array(length) : null,
    innerLearningRate: inner?.learningRate(job.method as never) ?? job.training.optimizer.learningRate,
    saliencyShare,
  }
}
