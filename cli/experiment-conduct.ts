import { join, relative } from 'node:path'
import { experimentTable } from '../coordinator/experiment/table.ts'
import { writeExperimentReport } from '../coordinator/experiment/write.ts'
import type { CoordinatorOptions } from '../coordinator/main.ts'
import { LetheError } from '../protocol/errors.ts'
import type { Expansion, ExperimentJob } from '../protocol/experiment/expand.ts'
import type { JobOutcome } from '../protocol/experiment/report.ts'
import { conductRun, resumeCommand } from './conduct.ts'
import { checkExperimentFiles } from './data-files.ts'
import { runJobs } from './experiment-run.ts'
import { catchInterrupt } from './interrupt.ts'
import { runCommand } from './job-lines.ts'
import { locally } from './run-options.ts'
import { paint } from './terminal.ts'

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
  /** What all runs have in common. */
  base: Omit<CoordinatorOptions, 'job' | 'written' | 'out' | 'onEvent' | 'log'>
  workers: Parameters<typeof locally>[1]
}

/** Runs an experiment to its end: progress on stderr, the table on stdout. @throws the first error of a job, when all are done. */
export async function conductExperiment({ jobs, base, workers, ...result }: ConductExperimentOptions): Promise<void> {
  const { out, expansion } = result
  checkExperimentFiles(jobs, out)
  const interrupt = catchInterrupt(`Resume with: ${resumeCommand(process.argv.slice(2))}`)
  const note = (text: string) => process.stderr.write(`${paint(process.stderr, 'bold', text)}\n`)
  const run = async ({ id, job, written }: ExperimentJob) => {
    const coordinator = { ...base, job, written, out: join(out, id), expectedWorkers: workers.workers }
    return conductRun(await locally(coordinator, workers), interrupt)
  }
  try {
    const { outcomes, error } = await runJobs(jobs, { run, note })
    await reportExperiment({ ...result, outcomes })
    if (error) throw error
  } catch (error) {
    // What is finished can be looked at while the rest waits.
    if (error instanceof LetheError && error.code === 'INTERRUPTED')
      await writeExperimentReport({ expansion, out, outcomes: new Map(), commandOf: commandIn(out), rerun: result.rerun })
    throw error
  } finally {
    interrupt.release()
  }
}

/** Makes experiment.json and experiment.html of the runs that are finished, and prints the table. */
export async function reportExperiment({
  expansion,
  out,
  json,
  rerun,
  outcomes,
}: ResultOptions & { outcomes: ReadonlyMap<string, JobOutcome> }): Promise<void> {
  const report = await writeExperimentReport({ expansion, out, outcomes, commandOf: commandIn(out), rerun })
  if (json) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`)
  else {
    const folder = relative(process.cwd(), out) || '.'
    const page = join(folder.startsWith('..') ? out : folder, 'experiment.html')
    process.stdout.write(`\n${experimentTable(report)}\n\nreport  ${paint(process.stdout, 'bold', page)}\n`)
  }
}

const usualWorkers = 2

function commandIn(out: string): (job: ExperimentJob) => string {
  return (job) => runCommand(job, out, usualWorkers)
}
