import { join, relative } from 'node:path'
import { experimentTable } from '../coordinator/experiment/table.ts'
import { writeExperimentReport } from '../coordinator/experiment/write.ts'
import type { CoordinatorOptions } from '../coordinator/main.ts'
import { RunFolder } from '../coordinator/storage/folder.ts'
import { lock } from '../coordinator/storage/lock.ts'
import { errorTable, LetheError } from '../protocol/errors.ts'
import type { Expansion, ExperimentJob } from '../protocol/experiment/expansion.ts'
import type { JobOutcome } from '../protocol/experiment/report.ts'
import { conductRun, resumeCommand } from './conduct.ts'
import { checkExperimentFiles } from './data-files.ts'
import { earlierFailures } from './experiment-outcomes.ts'
import { runJobs } from './experiment-run.ts'
import { catchInterrupt } from './interrupt.ts'
import { runCommand } from './job-lines.ts'
import { locally } from './run-options.ts'
import { paint, printable } from './terminal.ts'

interface ResultOptions {
  expansion: Expansion
  /** Absolute. */
  out: string
  json: boolean
  /** The command that makes one line of the table once more. */
  rerun(ids: readonly string[]): string
}

export interface ConductExperimentOptions extends ResultOptions {
  /** Those of the expansion that are to be run. */
  jobs: readonly ExperimentJob[]
  /** Those that are done again, whatever they have left. Undefined where the command has no such option. */
  fresh?: readonly ExperimentJob[]
  /** What all runs have in common. */
  base: Omit<CoordinatorOptions, 'job' | 'written' | 'out' | 'onEvent' | 'log'>
  workers: Parameters<typeof locally>[1]
}

/**
 * Runs an experiment to its end: progress on stderr, the table on stdout.
 * @throws the first error of a job, when all are done; RUN_LOCKED where another process works on the experiment.
 */
export async function conductExperiment({ jobs, fresh, base, workers, ...result }: ConductExperimentOptions): Promise<void> {
  const { out, expansion } = result
  checkExperimentFiles(jobs, out)
  const unlock = await lock(join(out, 'experiment.lock'))
  const interrupt = catchInterrupt(`Resume with: ${resumeCommand(argumentsLeft(process.argv.slice(2), fresh !== undefined))}`)
  const note = (text: string) => process.stderr.write(`${paint(process.stderr, 'bold', printable(text))}\n`)
  const run = async ({ id, job, written }: ExperimentJob) => {
    const coordinator = { ...base, job, written, out: join(out, id), expectedWorkers: workers.workers }
    try {
      return await conductRun(await locally(coordinator, workers), interrupt)
    } catch (error) {
      throw fresh === undefined ? error : withFreshHint(error, id)
    }
  }
  const outcomes = new Map<string, JobOutcome>()
  try {
    for (const { id } of fresh ?? []) await clearRun(join(out, id))
    const { error } = await runJobs(jobs, { run, note, outcomes })
    await reportExperiment({ ...result, outcomes })
    if (error) throw error
  } catch (error) {
    // What is finished can be looked at while the rest waits.
    if (error instanceof LetheError && error.code === 'INTERRUPTED')
      await writeExperimentReport({
        expansion,
        out,
        outcomes: await withEarlier(outcomes, out),
        commandOf: commandIn(out),
        rerun: result.rerun,
      })
    throw error
  } finally {
    interrupt.release()
    await unlock()
  }
}

async function withEarlier(outcomes: ReadonlyMap<string, JobOutcome>, out: string): Promise<Map<string, JobOutcome>> {
  return new Map([...(await earlierFailures(out)), ...outcomes])
}

/** Takes away what a run has left, before the first job begins: who resumes need not ask for it again. */
async function clearRun(path: string): Promise<void> {
  const folder = new RunFolder(path)
  await folder.check()
  if (!(await folder.hasJournal()) && (await folder.clusterRun()) === null) return
  const unlock = await lock(folder.lock)
  try {
    await folder.clear()
  } finally {
    await unlock()
  }
}

/** `--fresh` of a run has no value, that of an experiment has. */
function argumentsLeft(args: readonly string[], isExperiment: boolean): string[] {
  return args.filter((arg, i) => !isExperiment || !(arg.startsWith('--fresh=') || args[i - 1] === '--fresh'))
}

/** What is in the way may be of this job before it was changed. */
function withFreshHint(thrown: unknown, id: string): unknown {
  if (!(thrown instanceof LetheError) || thrown.code !== 'RUN_EXISTS' || thrown.hint !== errorTable.RUN_EXISTS.hint) return thrown
  const { code, message, expected, received } = thrown
  const hint = `Pass --fresh ${id} to replace it by this job, or choose another --out.`
  return new LetheError(code, { message, expected, received, hint, cause: thrown })
}

/** Makes experiment.json and experiment.html of the runs that are finished, and prints the table. */
export async function reportExperiment({
  expansion,
  out,
  json,
  rerun,
  outcomes,
}: ResultOptions & { outcomes: ReadonlyMap<string, JobOutcome> }): Promise<void> {
  const all = await withEarlier(outcomes, out)
  const report = await writeExperimentReport({ expansion, out, outcomes: all, commandOf: commandIn(out), rerun })
  if (json) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`)
  else {
    const folder = relative(process.cwd(), out) || '.'
    const page = join(folder.startsWith('..') ? out : folder, 'experiment.html')
    process.stdout.write(`\n${printable(experimentTable(report))}\n\nreport  ${paint(process.stdout, 'bold', page)}\n`)
  }
  const lost = report.jobs.find(({ id, state }) => outcomes.get(id)?.state === 'finished' && state !== 'finished')
  if (lost)
    throw new LetheError('STORAGE_WRITE', {
      message: `${join(out, lost.id)} holds a finished run, but its report.json cannot be read`,
      hint: 'Take the folder away and run the same command again.',
    })
}

const usualWorkers = 2

function commandIn(out: string): (job: ExperimentJob) => string {
  return (job) => runCommand(job, out, usualWorkers)
}
