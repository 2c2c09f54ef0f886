import type { FileBytes } from '../../protocol/digest.ts'
import type { Job } from '../../protocol/job.ts'
import type { History, Journal } from '../journal/journal.ts'
import type { RunFolder } from '../storage/folder.ts'
import type { CoordinatorEvent, Log } from './events.ts'

/** What a run is made of. */
export interface RunOptions {
  job: Job
  /** The same with its paths as its file has them; `jobDigest` is of this one. */
  written: Job
  jobDigest: string
  parent: readonly FileBytes[]
  parentSha256: string
  folder: RunFolder
  journal: Journal
  history: History
  expectedWorkers: number
  log: Log
  onEvent(event: CoordinatorEvent): void
}
