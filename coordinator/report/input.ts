import type { EvaluationResult, EvaluationUnit } from '../../protocol/evaluation.ts'
import type { OpenedExtractor } from '../../protocol/extractors.ts'
import type { Job } from '../../protocol/job.ts'
import type { Picture } from '../../protocol/picture.ts'
import type { RunReport, StepRecord, WorkerFault } from '../../protocol/report.ts'

export type Phase = 'before' | 'after'

/** Answers of one phase, in any order. */
export type UnitResults = readonly { unit: EvaluationUnit; result: EvaluationResult }[]

/** What the results of an attack do not say themselves. */
export interface AttackEnd {
  /** Where `attack.stopAt` was reached, null where it was not. */
  stoppedAt: number | null
}

/** An extractor as workers opened it, with the hashes of its files. */
export interface Instrument extends OpenedExtractor {
  sha256: string
  captionsSha256: string | null
}

/** Everything that a run knows at its end. */
export interface ReportInput {
  job: Job
  jobDigest: string
  parentSha256: string | null
  checkpoint: { path: string; sha256: string }
  manifestDigest: string
  forgetDigest: string
  items: number
  forgetItems: number
  parameterCount: number
  engine: string
  workers: number
  /** Updates. */
  steps: number
  stepsPerSecond: number | null
  /** One per reduction, and how long each took. */
  history: readonly StepRecord[]
  stepMs: readonly number[]
  /** Null where no worker told it. */
  peakMemoryBytes: number | null
  faults: readonly WorkerFault[]
  reduction: RunReport['reduction']
  wallMs: Readonly<Record<string, number>>
  versions: Readonly<Record<string, string>>
  /** Of every image: height, width, channels. */
  imageShape: readonly [height: number, width: number, channels: number]
  /** The forgotten image; null where the job names none, or one too large to show: then no picture that is compared with it is shown. */
  referenceImage: Picture | null
  /** Over the files of the classifier that judged samples; null where there was none. */
  classifierSha256: string | null
  /** In the order of the job. */
  extractors: readonly Instrument[]
  /** A phase that was not measured is missing. */
  evaluation: ReadonlyMap<Phase, UnitResults>
  /** By version of the parameters, every one that was measured. */
  measured: ReadonlyMap<number, UnitResults>
  attack: AttackEnd | null
}
