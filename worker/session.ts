import { createHash } from 'node:crypto'
import { classifierFolder } from '../protocol/checkpoint.ts'
import { digestOf, type FileBytes, sha256 } from '../protocol/digest.ts'
import { LetheError } from '../protocol/errors.ts'
import type { EvaluationResult, EvaluationUnit } from '../protocol/evaluation.ts'
import { extractorsFolder } from '../protocol/extractors.ts'
import type { Job, StepJob } from '../protocol/job.ts'
import type { SessionSummary } from '../protocol/messages.ts'
import { methodOf } from '../protocol/methods/index.ts'
import { addInPlace, type TreeNode, TreeSum } from '../protocol/tree.ts'
import { BatchSource } from './batch.ts'
import { type DataSet, openDataSet } from './data/dataset.ts'
import { openPools } from './data/pools.ts'
import { makeSchedule } from './diffusion/schedule.ts'
import { openEngine } from './engine/open.ts'
import { openExtractors } from './extractors/open.ts'
import { Gradients } from './gradients.ts'
import { openAccuracyData } from './metrics/accuracy.ts'
import { Measuring } from './metrics/measuring.ts'
import { Model } from './model.ts'
import { TrainingState } from './state.ts'
import { checkLabels, checkNetwork, checkSamples } from './suitability.ts'
import { lossesOf } from './unlearning/index.ts'
import { fedInputs, type LossInput } from './unlearning/losses.ts'

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

/** Opens data, network and programs. `files` are those of the run: parent or config.json, classifier, extractors. Throws DATA_*, CHECKPOINT_*, EXTRACTOR_*. */
export async function openSession(job: Job, files: FileBytes[]): Promise<JobSession> {
  const judging = files.filter(({ path }) => path.startsWith(classifierFolder))
  const own = files.filter((file) => !judging.includes(file) && !file.path.startsWith(extractorsFolder))
  const { model, parameters } = job.kind === 'train' ? Model.initialise(own, job.seed) : Model.load(own)
  checkNetwork(job, model)
  const data = await openDataSet(job.data)
  const accuracyData = await openAccuracyData(job)
  const pools = job.kind === 'evaluate' ? null : await openPools(job, data, model.isConditional)
  const sets = new Set([data, accuracyData, pools?.keep.data, pools?.alternative?.data].filter((set) => set != null))
  for (const set of sets) {
    checkShape(model, set)
    // What an alternative shows is learnt under the forgotten class: its own labels are of no use.
    if (set === pools?.alternative?.data && set !== data) continue
    checkLabels(job, model, set.labels)
  }
  const engine = await openEngine(job.engine)
  const schedule = makeSchedule(job.diffusion)
  const original = parameters.slice()
  const extractors = await openExtractors(job, files, data)
  const measuring = new Measuring({ job, model, files: judging, data, accuracyData, extractors, engine, schedule, original })
  checkSamples(job, model, data.labels, measuring.judgedClasses)
  const state = new TrainingState(parameters, job.kind === 'evaluate' ? null : job)
  const summary: SessionSummary = {
    parameterCount: model.parameterCount,
    channels: job.kind === 'evaluate' ? [] : [...methodOf(job.method.name).channels],
    microBatches: job.kind === 'evaluate' ? 0 : job.training.batchSize / job.training.microBatchSize,
    // What is measured on, or drawn from beside the data, is as much a part of the result.
    manifestDigest: sets.size === 1 ? data.manifestDigest : digestOf([...sets].map(({ manifestDigest }) => manifestDigest)),
    forgetDigest: sha256(new Uint8Array(data.forget.buffer, data.forget.byteOffset, data.forget.byteLength)),
    items: data.items,
    forgetItems: data.forget.length,
    imageShape: [data.height, data.width, data.channels],
    engine: engine.description,
    ...(extractors.length > 0 && { extractors: extractors.map(({ extractor }) => extractor.opened) }),
  }
  const parts = { summary, model, data, measuring, state }
  if (job.kind === 'evaluate' || pools === null) return new Session({ ...parts, gradients: null })
  const nullClass = model.isConditional ? model.nullClass : null
  const batches = new BatchSource(job, pools, schedule, { needs: needsOf(job, model), nullClass })
  return new Session({ ...parts, gradients: await Gradients.compile({ engine, model, job, batches, original }) })
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

/** Everything that some round of the job needs. */
function needsOf({ method }: StepJob, model: Model): LossInput[] {
  const { needs, prepare } = lossesOf(method.name)
  return fedInputs([...new Set([...needs, ...(prepare?.needs ?? [])])], model.classCount > 0)
}

interface SessionParts {
  summary: SessionSummary
  model: Model
  data: DataSet
  measuring: Measuring
  state: TrainingState
  /** Null where nothing is trained. */
  gradients: Gradients | null
}

class Session implements JobSession {
  readonly summary: SessionSummary
  readonly #model: Model
  readonly #data: DataSet
  readonly #measuring: Measuring
  readonly #state: TrainingState
  readonly #gradients: Gradients | null

  constructor({ summary, model, data, measuring, state, gradients }: SessionParts) {
    this.summary = summary
    this.#model = model
    this.#data = data
    this.#measuring = measuring
    this.#state = state
    this.#gradients = gradients
  }

  get step(): number {
    return this.#state.step
  }

  async partials(step: number, start: number, end: number, options: { signal: AbortSignal; onMicroBatch(): void }): Promise<Partial[]> {
    const gradients = this.#requireGradients(step)
    const sums = new Map<string, TreeSum<{ loss: number; gradient: Float32Array }>>()
    for (const channel of this.summary.channels) sums.set(channel, new TreeSum(this.summary.microBatches, addTerms))
    for (let index = start; index < end; index++) {
      options.signal.throwIfAborted()
      const results = await gradients.run(step, index, this.#state.parameters, this.#state.prepared)
      for (const { channel, loss, gradient } of results) sums.get(channel)?.put({ level: 0, index }, { loss, gradient })
      options.onMicroBatch()
    }
    return [...sums].flatMap(([channel, sum]) => sum.nodes().map(({ node, value }) => ({ channel, node, ...value })))
  }

  apply(step: number, direction: Float32Array): string {
    this.#requireGradients(step)
    this.#state.apply(direction)
    return this.digest()
  }

  /** Of the parameters, and of those that are released where they are others: nothing else would tell that an average went astray. */
  digest(): string {
    const { parameters, released } = this.#state
    const hash = createHash('sha256')
    for (const { buffer, byteOffset, byteLength } of new Set([parameters, released]))
      hash.update(new Uint8Array(buffer, byteOffset, byteLength))
    return hash.digest('hex')
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

  evaluate(unit: EvaluationUnit, onProgress: () => void = () => {}): Promise<EvaluationResult> {
    return this.#measuring.measure(unit, this.#state.released, onProgress)
  }

  referenceImage() {
    if (this.#data.forget.length === 0) return null
    const { height, width, channels } = this.#data
    return { height, width, channels, pixels: this.#data.read(this.#data.forget[0]) }
  }

  dispose(): void {
    this.#gradients?.dispose()
    this.#measuring.dispose()
  }

  #requireGradients(step: number): Gradients {
    if (!this.#gradients) throw new LetheError('INTERNAL', { message: 'an evaluate job has no steps' })
    if (step !== this.#state.step)
      throw new LetheError('INTERNAL', {
        message: 'a step was asked for out of order',
        expected: `${this.#state.step}`,
        received: `${step}`,
      })
    return this.#gradients
  }
}

function addTerms(left: { loss: number; gradient: Float32Array }, right: { loss: number; gradient: Float32Array }) {
  return { loss: left.loss + right.loss, gradient: addInPlace(left.gradient, right.gradient) }
}
