import type { Job } from '../job.ts'
import type { ControlArm } from './arms.ts'

/* What an experiment is once its grids are expanded: jobs in order. */

export interface ExperimentJob {
  id: string
  /** The job file, absolute, and what is changed in it: `lethe run <file> --no-controls --set …` is this job. */
  file: string
  set: readonly string[]
  job: Job
  /** With the paths as the file and the overrides have them: by these a run knows its job again. */
  written: Job
  /** Ids of jobs whose checkpoints it reads. */
  dependsOn: readonly string[]
  /** Labels of its line of the table. */
  row: Readonly<Record<string, string>> | null
  /** Ids of the arms that are attacked in the same way, where it is an attack with controls. */
  controls: Readonly<Record<ControlArm, string>> | null
}

export interface Expansion {
  name: string
  title: string
  text: string
  budget: string
  titles: Readonly<Record<string, string>>
  /** Each after what it needs. */
  jobs: readonly ExperimentJob[]
}
