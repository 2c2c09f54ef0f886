import { errorTable, LetheError } from '../protocol/errors.ts'
import type { ExperimentJob } from '../protocol/experiment/expansion.ts'
import type { JobOutcome } from '../protocol/experiment/report.ts'
import { duration } from './terminal.ts'

export interface ExperimentRunOptions {
  /** Runs one job to its end. @throws LetheError, INTERRUPTED where a person ends the command. */
  run(job: ExperimentJob): Promise<{ wasFinished: boolean }>
  /** Gets how each job ended, as it does: what is there counts where a person ends the command. */
  outcomes: Map<string, JobOutcome>
  note(text: string): void
  /** Milliseconds of a monotonic clock. */
  now?(): number
}

/**
 * Runs jobs one after the other. One that fails takes those with it that need it; the others go on.
 * @returns the first error.
 * @throws LetheError INTERRUPTED as it comes.
 */
export async function runJobs(
  jobs: readonly ExperimentJob[],
  { run, outcomes, note, now = () => performance.now() }: ExperimentRunOptions,
): Promise<{ error: LetheError | null }> {
  const startedAt = now()
  /** Of jobs that were computed in this call: what was there already says nothing about the time that is left. */
  const spent = { ms: 0, jobs: 0 }
  let first: LetheError | null = null
  for (const [i, job] of jobs.entries()) {
    const { id, dependsOn } = job
    const lost = dependsOn.find((need) => ['failed', 'skipped'].includes(outcomes.get(need)?.state ?? ''))
    if (lost !== undefined) {
      note(`job ${i + 1} of ${jobs.length}: ${id} is skipped, it needs ${lost}`)
      outcomes.set(id, { state: 'skipped', error: null })
      continue
    }
    note(`job ${i + 1} of ${jobs.length}: ${id}${timesText(now() - startedAt, spent, jobs.length - i)}`)
    const begunAt = now()
    try {
      const { wasFinished } = await run(job)
      outcomes.set(id, { state: 'finished', error: null })
      if (wasFinished) note(`${id} was finished before`)
      else {
        spent.ms += now() - begunAt
        spent.jobs++
      }
    } catch (thrown) {
      const error = LetheError.from(thrown)
      if (error.exitCode === errorTable.INTERRUPTED.exitCode) throw error
      note(`${id} failed: ${error.format()}`)
      outcomes.set(id, { state: 'failed', error: { code: error.code, message: error.message } })
      first ??= error
    }
  }
  return { error: first }
}

function timesText(usedMs: number, spent: { ms: number; jobs: number }, left: number): string {
  if (spent.jobs === 0) return ''
  return ` (${duration(usedMs / 1000)} used, about ${duration((spent.ms / spent.jobs / 1000) * left)} left)`
}
