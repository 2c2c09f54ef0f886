import { createRequire } from 'node:module'
import { unpackResult } from '../../protocol/evaluated.ts'
import { type EvaluationUnit, evaluationUnits } from '../../protocol/evaluation.ts'
import type { Job } from '../../protocol/job.ts'
import type { Picture } from '../../protocol/picture.ts'
import { roundsOf, totalRounds } from '../../protocol/rounds.ts'
import type { History } from '../journal/journal.ts'
import type { ReportInput, UnitResults } from '../report/input.ts'
import type { RunOptions } from './options.ts'
import type { RunSettings } from './state.ts'
import { endOf, stopsOf } from './stops.ts'

const version: string = createRequire(import.meta.url)('../../package.json').version

export interface SettingsOptions extends Pick<RunSettings, 'expectedWorkers' | 'reducer' | 'auditEvery'> {
  /** Of the leader. */
  epoch: number
}

/** More plans than a run has. */
const plansPerLeader = 2 ** 30

/** The numbers of the job that the run's decisions need. */
export function settingsOf(job: Job, options: SettingsOptions): RunSettings {
  const units = evaluationUnits(job).length
  const steps = job.kind === 'evaluate' ? 0 : totalRounds(roundsOf(job))
  return {
    steps,
    microBatches: job.kind === 'evaluate' ? 0 : job.training.batchSize / job.training.microBatchSize,
    checkpointEvery: job.kind === 'evaluate' ? 1 : job.training.checkpointEvery,
    expectedWorkers: options.expectedWorkers,
    reducer: options.reducer,
    auditEvery: options.auditEvery,
    isExact: job.kind === 'evaluate' || job.training.wire === 'f32',
    firstEpoch: options.epoch * plansPerLeader,
    isSuccessor: options.epoch > 1,
    stops: units > 0 ? stopsOf(job) : [],
    units,
  }
}

function unitResults(units: readonly EvaluationUnit[], history: History, version: number): UnitResults {
  const results = [...(history.evaluated.get(version)?.values() ?? [])].sort((a, b) => a.unit - b.unit)
  return results.map(({ unit, ...packed }) => ({ unit: units[unit], result: unpackResult(packed) }))
}

/** Where the result is: for `evaluate` the model that was measured. */
function checkpointOf({ job, folder, history, parentSha256 }: RunOptions): { path: string; sha256: string } {
  if (job.kind === 'evaluate') return { path: job.model.checkpoint, sha256: parentSha256 }
  return { path: folder.finalCheckpoint, sha256: history.checkpoint?.sha256 ?? '' }
}

/** Everything the report is made from, as the journal tells it. `most` is the most workers that were there at once. */
export function reportInput(options: RunOptions, attendance: { most: number; reference: Picture | null }): ReportInput {
  const { written: job, history, settings } = options
  const { summary, commits, spentMs } = history
  if (summary === null) throw new RangeError('a run without a session has no report')
  const units = evaluationUnits(job)
  const end = endOf(job, history) ?? (job.kind === 'evaluate' ? 0 : totalRounds(roundsOf(job)))
  const measured = (version: number) => unitResults(units, history, version)
  const phases = [['before', job.kind === 'unlearn' ? measured(0) : []] as const, ['after', measured(end)] as const]
  const trainMs = commits.reduce((sum, { stepMs }) => sum + stepMs, 0)
  return {
    job,
    jobDigest: options.jobDigest,
    parentSha256: job.kind === 'train' ? null : options.parentSha256,
    checkpoint: checkpointOf(options),
    manifestDigest: summary.manifestDigest,
    forgetDigest: summary.forgetDigest,
    items: summary.items,
    forgetItems: summary.forgetItems,
    parameterCount: summary.parameterCount,
    engine: summary.engine,
    workers: commits.length > 0 ? commits.reduce((most, { workers }) => Math.max(most, workers), 1) : attendance.most,
    steps: commits.length,
    stepsPerSecond: trainMs > 0 ? (1000 * commits.length) / trainMs : null,
    history: commits.map(({ version: after, losses, norms, updateNorm }) => ({ step: after - 1, losses, norms, updateNorm })),
    faults: history.faults,
    reduction: job.kind === 'evaluate' ? null : { reducer: settings.reducer, wire: job.training.wire },
    wallMs: spentMs,
    versions: { lethe: version, node: process.versions.node },
    referenceImage: attendance.reference,
    evaluation: new Map(phases.filter(([, results]) => results.length > 0)),
  }
}
