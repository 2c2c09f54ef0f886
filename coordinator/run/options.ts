import type { Job } from '../../protocol/job.ts'
import type { DownPacket } from '../../protocol/messages.ts'
import type { History, Journal } from '../journal/journal.ts'
import type { RunFolder } from '../storage/folder.ts'
import type { RunFile } from '../storage/parent.ts'
import type { CoordinatorEvent, Log } from './events.ts'
import type { RunSettings } from './state.ts'

export interface SettingsOptions extends Pick<RunSettings, 'expectedWorkers' | 'reducer' | 'auditEvery'> {
  /** Of the leader. */
  epoch: number
}

/** What a run is made of. */
export interface RunOptions {
  job: Job
  /** The same with its paths as its file has them; `jobDigest` is of this one. */
  written: Job
  jobDigest: string
  /** Those of the parent checkpoint, and of what measures: classifier and extractors. */
  files: readonly RunFile[]
  parentSha256: string
  folder: RunFolder
  journal: Journal
  history: History
  runId: string
  settings: SettingsOptions
  /** Opens the sockets between workers. */
  meshKey: string
  /** May this coordinator decide anything now? */
  leads(): boolean
  publish(address: string, packet: Omit<DownPacket, 'epoch'>): void
  log: Log
  onEvent(event: CoordinatorEvent): void
}
