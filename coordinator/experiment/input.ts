import type { Expansion, ExperimentJob } from '../../protocol/experiment/expansion.ts'
import type { JobOutcome } from '../../protocol/experiment/report.ts'
import type { RunReport } from '../../protocol/report.ts'

/** A job of an experiment and what came of it; `report` is null unless it has finished. */
export interface JobResult extends JobOutcome {
  job: ExperimentJob
  report: RunReport | null
  /** The command that runs it by itself. */
  command: string
}

/** Everything that the table is made from. */
export interface ExperimentInput {
  expansion: Omit<Expansion, 'jobs'>
  /** In the order in which they are run. */
  results: readonly JobResult[]
  /** The command that runs jobs of these ids once more. */
  rerun(ids: readonly string[]): string
}
