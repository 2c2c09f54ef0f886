import { createRequire } from 'node:module'
import { classifierFolder } from '../../protocol/checkpoint.ts'
import { listingDigest } from '../../protocol/digest.ts'
import { unpackResult } from '../../protocol/evaluated.ts'
import { type EvaluationUnit, evaluationUnits } from '../../protocol/evaluation.ts'
import { captionsFile, extractorFile } from '../../protocol/extractors.ts'
import type { Job } from '../../protocol/job.ts'
import type { SessionSummary } from '../../protocol/messages.ts'
import type { Picture } from '../../protocol/picture.ts'
import type { StepRecord } from '../../protocol/report.ts'
import { roundAt, roundsOf, totalRounds } from '../../protocol/rounds.ts'
import type { History } from '../journal/journal.ts'
import type { ReportInput, UnitResults } from '../report/input.ts'
import type { RunOptions, SettingsOptions } from './options.ts'
import type { RunSettings } from './state.ts'
import { endOf, stopsOf } from './stops.ts'

const version: string = createRequire(import.meta.url)('../../package.json').version

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

/** Where the result is: for `evaluate`, and for an attack that had succeeded before its first step, the model that was measured. */
function checkpointOf({ job, folder, history, parentSha256 }: RunOptions, end: number): { path: string; sha256: string } {
  if (end === 0 && job.kind !== 'train') return { path: job.model.checkpoint, sha256: parentSha256 }
  if (!history.checkpoint) throw new RangeError('a run without a checkpoint has no report')
  return { path: folder.finalCheckpoint, sha256: history.checkpoint.sha256 }
}

/** As the classifier's own report says it: over the names that its files have in its folder. */
function classifierDigest(files: RunOptions['files']): string | null {
  const own = files.filter(({ path }) => path.startsWith(classifierFolder))
  return own.length === 0 ? null : listingDigest(own.map(({ path, sha256 }) => ({ path: path.slice(classifierFolder.length), sha256 })))
}

/** What workers found when they opened the extractors, with the hashes of their files. */
function instrumentsOf(files: RunOptions['files'], { extractors = [] }: SessionSummary): ReportInput['extractors'] {
  const digest = (name: string) => files.find(({ path }) => path === name)?.sha256 ?? null
  return extractors.map((opened, number) => ({
    ...opened,
    sha256: digest(extractorFile(number)) ?? '',
    captionsSha256: digest(captionsFile(number)),
  }))
}

function recordsOf(job: Job, commits: History['commits']): StepRecord[] {
  if (job.kind === 'evaluate') return []
  const rounds = roundsOf(job)
  return commits.map(({ version: after, losses, norms, updateNorm }) => {
    const { update, phase } = roundAt(rounds, after - 1)
    return { step: update, phase, losses, norms, updateNorm }
  })
}

/** Everything the report is made from, as the journal tells it. `most` is the most workers that were there at once. */
export function reportInput(options: RunOptions, attendance: { most: number; reference: Picture | null }): ReportInput {
  const { written: job, history, settings } = options
  const { summary, commits, spentMs } = history
  if (summary === null) throw new RangeError('a run without a session has no report')
  const units = evaluationUnits(job)
  const stoppedAt = endOf(job, history)
  const end = stoppedAt ?? (job.kind === 'evaluate' ? 0 : totalRounds(roundsOf(job)))
  const stops = stopsOf(job).filter((version) => version <= end && history.evaluated.has(version))
  const measured = new Map(stops.map((version) => [version, unitResults(units, history, version)]))
  const isChanged = job.kind === 'unlearn' || job.kind === 'attack'
  const phases = [['before', isChanged ? measured.get(0) : undefined] as const, ['after', measured.get(end)] as const]
  const trainMs = commits.reduce((sum, { stepMs }) => sum + stepMs, 0)
  const records = recordsOf(job, commits)
  const steps = records.filter(({ phase }) => phase === 'update').length
  return {
    job,
    jobDigest: options.jobDigest,
    parentSha256: job.kind === 'train' ? null : options.parentSha256,
    checkpoint: checkpointOf(options, end),
    manifestDigest: summary.manifestDigest,
    forgetDigest: summary.forgetDigest,
    items: summary.items,
    forgetItems: summary.forgetItems,
    parameterCount: summary.parameterCount,
    engine: summary.engine,
    workers: commits.length > 0 ? commits.reduce((most, { workers }) => Math.max(most, workers), 1) : attendance.most,
    steps,
    stepsPerSecond: trainMs > 0 ? (1000 * steps) / trainMs : null,
    history: records,
    stepMs: commits.map(({ stepMs }) => stepMs),
    peakMemoryBytes: commits.reduce((most, { peakMemoryBytes = 0 }) => Math.max(most, peakMemoryBytes), 0) || null,
    faults: history.faults,
    reduction: job.kind === 'evaluate' ? null : { reducer: settings.reducer, wire: job.training.wire },
    wallMs: spentMs,
    versions: { lethe: version, node: process.versions.node },
    imageShape: summary.imageShape,
    referenceImage: attendance.reference,
    classifierSha256: classifierDigest(options.files),
    extractors: instrumentsOf(options.files, summary),
    evaluation: new Map(phases.flatMap(([phase, results]) => (results === undefined ? [] : [[phase, results] as const]))),
    measured,
    attack: job.kind === 'attack' ? { stoppedAt } : null,
  }
}
