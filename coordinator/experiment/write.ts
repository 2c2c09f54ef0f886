import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { digestOf } from '../../protocol/digest.ts'
import type { Expansion, ExperimentJob } from '../../protocol/experiment/expansion.ts'
import { checkpointPath } from '../../protocol/experiment/references.ts'
import { type ExperimentReport, experimentReport, type JobOutcome } from '../../protocol/experiment/report.ts'
import { jobSchema } from '../../protocol/job.ts'
import { type RunReport, runReport } from '../../protocol/report.ts'
import { replaceFile } from '../storage/files.ts'
import { RunFolder } from '../storage/folder.ts'
import { seedOf } from './attacks.ts'
import { experimentHtml } from './html.ts'
import type { JobResult } from './input.ts'
import { type Sheet, sheetsOf } from './pictures.ts'
import { experimentReportOf } from './summary.ts'

const maxReportBytes = 256 << 20

export interface WriteOptions {
  expansion: Expansion
  /** Holds the run folder of each job, under its id. */
  out: string
  /** How jobs ended that were run now; of others their folder tells. */
  outcomes: ReadonlyMap<string, JobOutcome>
  commandOf(job: ExperimentJob): string
  rerun(ids: readonly string[]): string
}

/** Makes experiment.json and experiment.html in `out` of whatever runs are finished there. @throws LetheError STORAGE_*. */
export async function writeExperimentReport({ expansion, out, outcomes, commandOf, rerun }: WriteOptions): Promise<ExperimentReport> {
  const results: JobResult[] = []
  for (const job of expansion.jobs) {
    const { state, error } = outcomes.get(job.id) ?? { state: 'unfinished', error: null }
    const found = await ownReport(join(out, job.id), job, state)
    const parent = results.find((other) => other.report !== null && checkpointPath(out, other.job.id) === parentPath(job))
    // Its parent may have been run again since: the same path, and another model.
    const report = parent && found?.parentSha256 !== parent.report?.checkpoint.sha256 ? null : found
    const isFinished = report !== null
    results.push({
      job,
      report,
      command: commandOf(job),
      state: isFinished ? 'finished' : state === 'finished' ? 'unfinished' : state,
      error: isFinished ? null : error,
    })
  }
  const report = experimentReport.parse(experimentReportOf({ expansion, results, rerun }))
  const sheets = new Map<number, Sheet[]>()
  for (const [i, { jobs, seeds }] of report.rows.entries())
    sheets.set(
      i,
      await sheetsOfRow(
        out,
        results.filter(({ job }) => jobs.includes(job.id)),
        { seed: seeds[0], all: results },
      ),
    )
  await replaceFile(join(out, 'experiment.html'), Buffer.from(experimentHtml(report, sheets)))
  await replaceFile(join(out, 'experiment.json'), Buffer.from(`${JSON.stringify(report, null, 1)}\n`))
  return report
}

/**
 * The report of a finished run of this very job, null where there is none: what lies in the folder of a job that has failed is of another
 * one. A run that ended in this call has compared its job itself; of others the folder says which job it holds.
 */
async function ownReport(folder: string, job: ExperimentJob, state: JobOutcome['state']): Promise<RunReport | null> {
  if (state === 'failed' || state === 'skipped') return null
  if (state !== 'finished' && !(await holds(folder, job))) return null
  return readReport(folder)
}

function parentPath({ job }: ExperimentJob): string | null {
  return job.kind === 'train' ? null : job.model.checkpoint
}

/** Null where there is none, or one that cannot be read. */
async function readReport(folder: string): Promise<RunReport | null> {
  try {
    const path = join(folder, 'report.json')
    const { size } = await stat(path)
    if (size > maxReportBytes) return null
    const parsed = runReport.safeParse(JSON.parse(await readFile(path, 'utf8')))
    return parsed.success ? parsed.data : null
  } catch {
    return null
  }
}

/** A folder may hold a run from before the experiment was changed. Its job has absolute paths: another checkpoint is another job. */
async function holds(folder: string, { job }: ExperimentJob): Promise<boolean> {
  const found = jobSchema.safeParse(await new RunFolder(folder).readJob())
  return found.success && digestOf(found.data) === digestOf(job)
}

interface Line {
  seed: string
  all: readonly JobResult[]
}

/** Before and after of the model, and what each attack makes of it. */
async function sheetsOfRow(out: string, line: readonly JobResult[], { seed, all }: Line): Promise<Sheet[]> {
  const own = line.filter((result) => result.report !== null && seedOf(result) === seed)
  const sheets: Sheet[] = []
  for (const result of own.filter(({ job }) => job.job.kind !== 'attack')) {
    const folder = join(out, result.job.id)
    const other = isMeasuredOnce(result) ? all.find((one) => measures(one, result)) : undefined
    const before = other ? sheetsOf(join(out, other.job.id), 'after', 'before') : sheetsOf(folder, 'before', 'before')
    const after = sheetsOf(folder, 'after', result.job.job.kind === 'evaluate' ? 'as it is' : 'after')
    sheets.push(...(await before), ...(await after))
  }
  for (const { job } of own.filter(({ job }) => job.job.kind === 'attack')) {
    // One sheet each: a row may have many attacks.
    const [first] = await sheetsOf(join(out, job.id), 'after', `after the attack ${job.id}`)
    if (first) sheets.push(first)
  }
  return sheets
}

/** With `evaluate.before: false` the model that it began with is measured by another row. */
function isMeasuredOnce({ job: { job } }: JobResult): boolean {
  return job.kind === 'unlearn' && !job.evaluate.before
}

/** Does `other` measure, as it is, the checkpoint that `result` began with? */
function measures(other: JobResult, { report }: JobResult): boolean {
  return other.job.job.kind === 'evaluate' && other.report !== null && other.report.parentSha256 === report?.parentSha256
}
