import type { FileBytes } from '../../protocol/digest.ts'
import type { EvaluationResult, EvaluationUnit } from '../../protocol/evaluation.ts'
import type { Job } from '../../protocol/job.ts'
import type { DataSet } from '../data/dataset.ts'
import type { Schedule } from '../diffusion/schedule.ts'
import type { Engine } from '../engine/engine.ts'
import type { OpenExtractor } from '../extractors/open.ts'
import type { Model } from '../model.ts'
import { accuracy } from './accuracy.ts'
import { Classifier } from './classifier.ts'
import { evaluateUnit } from './evaluate.ts'
import { distinctForgotten, modelImage } from './images.ts'
import { Judge } from './judge.ts'
import { imageLikelihood, likelihoodDefaults, NoiseProgram } from './likelihood.ts'
import { Predictor } from './predictor.ts'

export interface MeasuringOptions {
  job: Job
  model: Model
  /** Those of the job's classifier. */
  files: readonly FileBytes[]
  data: DataSet
  /** Null where the job measures no accuracy. */
  accuracyData: DataSet | null
  /** Those of the job; disposed of with this. */
  extractors: readonly OpenExtractor[]
  engine: Engine
  schedule: Schedule
  /** Parameters that the run began with; they must not change afterwards. */
  original: Float32Array
}

/** Measures units of evaluation. Programs are compiled when they are first needed. */
export class Measuring {
  readonly #options: MeasuringOptions
  readonly #loadedJudge: ReturnType<typeof Judge.load>
  readonly #predictors = new Map<number, Promise<Predictor>>()
  #judge: Promise<Judge> | null = null
  #classifier: Promise<Classifier> | null = null
  #noise: Promise<NoiseProgram> | null = null

  /** Throws CHECKPOINT_*, DATA_SHAPE for a classifier that does not fit. */
  constructor(options: MeasuringOptions) {
    this.#options = options
    this.#loadedJudge = Judge.load(options.files, options.model.imageShape)
  }

  /** How many classes the classifier of the job tells apart; null where there is none. */
  get judgedClasses(): number | null {
    return this.#loadedJudge?.model.classCount ?? null
  }

  async measure(unit: EvaluationUnit, parameters: Float32Array, onProgress: () => void): Promise<EvaluationResult> {
    const { job, data, accuracyData, model, schedule, extractors } = this.#options
    const { seed } = job
    if (unit.metric === 'distance') return { values: [distanceOf(parameters, this.#options.original)], images: new Uint8Array(0) }
    if (accuracyData) return accuracy({ classifier: await this.#ownClassifier(), parameters, data: accuracyData, seed, onProgress }, unit)
    if (unit.metric === 'likelihood') return this.#likelihood(unit, parameters, onProgress)
    const guidance = unit.metric === 'samples' ? (job.evaluate.samples?.guidance ?? 0) : 0
    const [predictor, judge] = [await this.#predictor(guidance), await this.#judgeOrNull()]
    const { isConditional } = model
    return evaluateUnit({ predictor, judge, extractors, parameters, schedule, seed, onProgress, job, data, isConditional }, unit)
  }

  /**
   * Runs of one image with one probe each, one after the other: each chooses its own steps. Copies of an image count once; where fewer
   * are different than were asked for, they are run again with other probes, and the answer says which image each run is of.
   */
  async #likelihood({ start, count }: EvaluationUnit, parameters: Float32Array, onProgress: () => void): Promise<EvaluationResult> {
    const { engine, model, job, data } = this.#options
    const { probes, label } = job.evaluate.likelihood ?? likelihoodDefaults
    const options = { ...likelihoodDefaults, label }
    this.#noise ??= NoiseProgram.compile(engine, model, { probes: options.probes })
    const program = await this.#noise
    const distinct = distinctForgotten(data)
    const values: number[] = []
    const items = Array.from({ length: count }, (_, row) => distinct[Math.floor((start + row) / probes) % distinct.length])
    for (const [row, index] of items.entries()) {
      const number = start + row
      const classOf = model.isConditional ? data.labels[index] : undefined
      const context = { program, parameters, diffusion: job.diffusion, seed: job.seed, options, onProgress }
      values.push((await imageLikelihood(context, { image: modelImage(data, index), number, classOf })).bitsPerDimension)
    }
    // Float32 holds every number that an item can have.
    return { values, images: new Uint8Array(0), readings: [Float32Array.from(items)] }
  }

  #predictor(guidance: number): Promise<Predictor> {
    const { engine, model, job } = this.#options
    const predictor = this.#predictors.get(guidance) ?? Predictor.compile(engine, model, { rows: job.evaluate.unitSize, guidance })
    this.#predictors.set(guidance, predictor)
    return predictor
  }

  #judgeOrNull(): Promise<Judge> | null {
    const { engine, job } = this.#options
    if (this.#loadedJudge) this.#judge ??= Judge.compile(engine, this.#loadedJudge, job.evaluate.unitSize)
    return this.#judge
  }

  #ownClassifier(): Promise<Classifier> {
    const { engine, model, job } = this.#options
    this.#classifier ??= Classifier.compile(engine, model, { rows: job.evaluate.unitSize })
    return this.#classifier
  }

  dispose(): void {
    for (const one of [...this.#predictors.values(), this.#judge, this.#classifier, this.#noise])
      void one?.then((program) => program.dispose())
    for (const { extractor } of this.#options.extractors) extractor.dispose()
  }
}

/** L2 norm of the difference, in float64. */
function distanceOf(parameters: Float32Array, original: Float32Array): number {
  let sum = 0
  for (let i = 0; i < parameters.length; i++) sum += (parameters[i] - original[i]) ** 2
  return Math.sqrt(sum)
}
