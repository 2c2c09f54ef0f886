import type { FileBytes } from '../../protocol/digest.ts'
import type { EvaluationResult, EvaluationUnit } from '../../protocol/evaluation.ts'
import type { Job } from '../../protocol/job.ts'
import type { DataSet } from '../data/dataset.ts'
import type { Schedule } from '../diffusion/schedule.ts'
import type { Engine } from '../engine/engine.ts'
import type { Model } from '../model.ts'
import { accuracy } from './accuracy.ts'
import { Classifier } from './classifier.ts'
import { evaluateUnit } from './evaluate.ts'
import { Judge } from './judge.ts'
import { Predictor } from './predictor.ts'

export interface MeasuringOptions {
  job: Job
  model: Model
  /** Of the run: those of the job's classifier are among them. */
  files: readonly FileBytes[]
  data: DataSet
  /** Null where the job measures no accuracy. */
  accuracyData: DataSet | null
  engine: Engine
  schedule: Schedule
}

/** Measures units of evaluation. Programs are compiled when they are first needed. */
export class Measuring {
  readonly #options: MeasuringOptions
  readonly #loadedJudge: ReturnType<typeof Judge.load>
  readonly #predictors = new Map<number, Promise<Predictor>>()
  #judge: Promise<Judge> | null = null
  #classifier: Promise<Classifier> | null = null

  /** Throws CHECKPOINT_*, DATA_SHAPE for a classifier that does not fit. */
  constructor(options: MeasuringOptions) {
    this.#options = options
    this.#loadedJudge = Judge.load(options.files, options.model.imageShape)
  }

  async measure(unit: EvaluationUnit, parameters: Float32Array, onProgress: () => void): Promise<EvaluationResult> {
    const { job, data, accuracyData, model, schedule } = this.#options
    const { seed } = job
    if (accuracyData) return accuracy({ classifier: await this.#ownClassifier(), parameters, data: accuracyData, seed, onProgress }, unit)
    const guidance = unit.metric === 'samples' ? (job.evaluate.samples?.guidance ?? 0) : 0
    const [predictor, judge] = [await this.#predictor(guidance), await this.#judgeOrNull()]
    return evaluateUnit({ predictor, judge, parameters, schedule, seed, onProgress, job, data, isConditional: model.isConditional }, unit)
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
    for (const one of [...this.#predictors.values(), this.#judge, this.#classifier]) void one?.then((program) => program.dispose())
  }
}
