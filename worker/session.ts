import { type FileBytes, sha256 } from '../protocol/digest.ts'
import { LetheError } from '../protocol/errors.ts'
import type { EvaluationResult, EvaluationUnit } from '../protocol/evaluation.ts'
import type { Job, StepJob } from '../protocol/job.ts'
import type { SessionSummary } from '../protocol/messages.ts'
import { methodOf } from '../protocol/methods/index.ts'
import { addInPlace, type TreeNode, TreeSum } from '../protocol/tree.ts'
import { BatchSource } from './batch.ts'
import { type DataSet, openDataSet } from './data/dataset.ts'
import { makeSchedule, type Schedule } from './diffusion/schedule.ts'
import type { Engine } from './engine/engine.ts'
import { openEngine } from './engine/open.ts'
import { evaluateUnit } from './metrics/evaluate.ts'
import { Predictor } from './metrics/predictor.ts'
import { Model } from './model.ts'
import { TrainingState } from './state.ts'
import { GradientProgram } from './step.ts'
import { lossesOf } from './unlearning/index.ts'
import { fedInputs } from './unlearning/losses.ts'

/** The sum of one channel over one complete subtree of micro-batches. The gradient is flat, all parameters in the order of the model. */
export interface Partial {
  channel: string
  node: TreeNode
  loss: number
  gradient: Float32Array
}

/** The compute half of a worker: one job, its data, its programs and a full copy of its training state. */
export interface JobSession {
  readonly summary: SessionSummary
  /** The next step to compute, which is the number of updates applied. */
  readonly step: number
  /** Gradients of micro-batches [start, end) of a step, added up the tree as far as the range allows. */
  partials(step: number, start: number, end: number, options: { signal: AbortSignal; onMicroBatch(): void }): Promise<Partial[]>
  /** Applies an update direction; returns the digest of the parameters after it. */
  apply(step: number, direction: Float32Array): string
  digest(): string
  /** Everything that a joiner or a resume needs, as safetensors. */
  exportState(): Uint8Array
  importState(bytes: Uint8Array): void
  /** The diffusers folder of the current model (of the moving average, where the job keeps one). */
  checkpointFiles(): FileBytes[]
  evaluate(unit: EvaluationUnit, onProgress?: () => void): Promise<EvaluationResult>
  /** The first image of the forget set, for the report. */
  referenceImage(): { height: number; width: number; channels: number; pixels: Uint8Array } | null
  dispose(): void
}

/** Opens data, network and programs. `files` are the parent checkpoint, or config.json alone for `train`. Throws DATA_*, CHECKPOINT_*. */
export async function openSession(job: Job, files: FileBytes[]): Promise<JobSession> {
  const { model, parameters } = job.kind === 'train' ? Model.initialise(files, job.seed) : Model.load(files)
  const data = await openDataSet(job.data)
  checkShape(model, data)
  checkClasses(job, model, data)
  const engine = await openEngine(job.engine)
  const schedule = makeSchedule(job.diffusion)
  if (job.kind === 'evaluate') return new Session(job, model, data, engine, schedule, new TrainingState(parameters, null), null)
  const program = await GradientProgram.compile(engine, model, job.method, {
    rows: job.training.microBatchSize,
    batchSize: job.training.batchSize,
    original: parameters.slice(),
  })
  const needs = fedInputs(lossesOf(job.method.name).needs, model.isConditional)
  const batches = new BatchSource(job, data, schedule, { needs, nullClass: model.isConditional ? model.nullClass : null })
  return new Session(job, model, data, engine, schedule, new TrainingState(parameters, job), { program, batches, job })
}

function checkShape(model: Model, data: DataSet): void {
  const [channels, height, width] = model.imageShape
  if (data.channels === channels && data.height === height && data.width === width) return
  throw new LetheError('DATA_SHAPE', {
    message: 'the images have another size than the model takes',
    expected: `${channels}×${height}×${width}`,
    received: `${data.channels}×${data.height}×${data.width}`,
  })
}

/** A conditional network needs an embedding for every label, and one more where labels are dropped. */
function checkClasses(job: Job, model: Model, data: DataSet): void {
  const labelDropout = job.kind === 'evaluate' ? 0 : job.training.labelDropout
  if (!model.isConditional) {
    if (labelDropout > 0)
      throw new LetheError('DATA_LABEL', {
        message: 'training.labelDropout needs a class-conditional model',
        expected: '0',
        received: `${labelDropout}`,
      })
    return
  }
  const classes = model.classCount - (labelDropout > 0 ? 1 : 0)
  const largest = data.labels.reduce((most, label) => Math.max(most, label), 0)
  if (largest >= classes)
    throw new LetheError('DATA_LABEL', {
      message: `a label of the data has no class in the model${labelDropout > 0 ? ', whose last class stands for a dropped label' : ''}`,
      expected: `0 to ${classes - 1}`,
      received: `${largest}`,
    })
}

interface Training {
  program: GradientProgram
  batches: BatchSource
  job: StepJob
}

class Session implements JobSession {
  readonly summary: SessionSummary
  readonly #job: Job
  readonly #model: Model
  readonly #data: DataSet
  readonly #engine: Engine
  readonly #schedule: Schedule
  readonly #state: TrainingState
  readonly #training: Training | null
  #predictor: Promise<Predictor> | null = null

  constructor(job: Job, model: Model, data: DataSet, engine: Engine, schedule: Schedule, state: TrainingState, training: Training | null) {
    this.#job = job
    this.#model = model
    this.#data = data
    this.#engine = engine
    this.#schedule = schedule
    this.#state = state
    this.#training = training
    this.summary = {
      parameterCount: model.parameterCount,
      channels: training ? [...methodOf(training.job.method.name).channels] : [],
      microBatches: training ? training.job.training.batchSize / training.job.training.microBatchSize : 0,
      manifestDigest: data.manifestDigest,
      forgetDigest: sha256(new Uint8Array(data.forget.buffer, data.forget.byteOffset, data.forget.byteLength)),
      items: data.items,
      forgetItems: data.forget.length,
      engine: engine.description,
    }
  }

  get step(): number {
    return this.#state.step
  }

  async partials(step: number, start: number, end: number, options: { signal: AbortSignal; onMicroBatch(): void }): Promise<Partial[]> {
    const training = this.#requireTraining(step)
    const sums = new Map<string, TreeSum<{ loss: number; gradient: Float32Array }>>()
    for (const channel of this.summary.channels) sums.set(channel, new TreeSum(this.summary.microBatches, addTerms))
    for (let index = start; index < end; index++) {
      options.signal.throwIfAborted()
      const results = await training.program.run(this.#state.parameters, training.batches.draw(step, index))
      for (const { channel, loss, gradient } of results) sums.get(channel)?.put({ level: 0, index }, { loss, gradient })
      options.onMicroBatch()
    }
    return [...sums].flatMap(([channel, sum]) => sum.nodes().map(({ node, value }) => ({ channel, node, ...value })))
  }

  apply(step: number, direction: Float32Array): string {
    this.#requireTraining(step)
    this.#state.apply(direction)
    return this.digest()
  }

  digest(): string {
    const { parameters } = this.#state
    return sha256(new Uint8Array(parameters.buffer, parameters.byteOffset, parameters.byteLength))
  }

  exportState(): Uint8Array {
    return this.#state.export()
  }

  importState(bytes: Uint8Array): void {
    this.#state.import(bytes)
  }

  checkpointFiles(): FileBytes[] {
    return this.#model.files(this.#state.released)
  }

  async evaluate(unit: EvaluationUnit, onProgress: () => void = () => {}): Promise<EvaluationResult> {
    this.#predictor ??= Predictor.compile(this.#engine, this.#model, { rows: this.#job.evaluate.unitSize, guidance: 0 })
    const predictor = await this.#predictor
    const context = {
      predictor,
      parameters: this.#state.released,
      schedule: this.#schedule,
      seed: this.#job.seed,
      onProgress,
      job: this.#job,
      data: this.#data,
      isConditional: this.#model.isConditional,
    }
    return evaluateUnit(context, unit)
  }

  referenceImage() {
    if (this.#data.forget.length === 0) return null
    const { height, width, channels } = this.#data
    return { height, width, channels, pixels: this.#data.read(this.#data.forget[0]) }
  }

  dispose(): void {
    this.#training?.program.dispose()
    void this.#predictor?.then((predictor) => predictor.dispose())
  }

  #requireTraining(step: number) {
    if (!this.#training) throw new LetheError('INTERNAL', { message: 'an evaluate job has no steps' })
    if (step !== this.#state.step)
      throw new LetheError('INTERNAL', {
        message: 'a step was asked for out of order',
        expected: `${this.#state.step}`,
        received: `${step}`,
      })
    return this.#training
  }
}

function addTerms(left: { loss: number; gradient: Float32Array }, right: { loss: number; gradient: Float32Array }) {
  return { loss: left.loss + right.loss, gradient: addInPlace(left.gradient, right.gradient) }
}
