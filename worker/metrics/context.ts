import type { Job } from '../../protocol/job.ts'
import type { DataSet } from '../data/dataset.ts'
import type { OpenExtractor } from '../extractors/open.ts'
import type { Judge } from './judge.ts'
import type { SamplingContext } from './sample.ts'

/** What measuring a unit needs. */
export interface EvaluationContext extends SamplingContext {
  job: Job
  data: DataSet
  isConditional: boolean
  /** Null where the job has no classifier. */
  judge: Judge | null
  /** In the order of the job. */
  extractors: readonly OpenExtractor[]
}
