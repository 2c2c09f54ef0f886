import type { EvaluationResult, EvaluationUnit } from '../../protocol/evaluation.ts'
import type { Job } from '../../protocol/job.ts'
import type { Picture } from '../../protocol/picture.ts'
import type { RunReport, StepRecord, WorkerFault } from '../../protocol/report.ts'

export type Phase = 'before' | 'after'

/** Answers of one phase, in any order. */
export type UnitResults = readonly { unit: EvaluationUnit; result: EvaluationResult }[]

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
  steps: number
  stepsPerSecond: number | null
  history: readonly StepRecord[]
  faults: readonly WorkerFault[]
  reduction: RunReport['reduction']
  wallMs: Readonly<Record<string, number>>
  versions: Readonly<Record<string, string>>
  /** The forgotten image; null where the job names none, or one too large to show: then no picture of an evaluation is shown. */
  referenceImage: Picture | null
  /** A phase that was not measured is missing. */
  evaluation: ReadonlyMap<Phase, UnitResults>
}
