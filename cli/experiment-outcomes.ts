import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type JobOutcome, jobOutcomes } from '../protocol/experiment/report.ts'

const maxBytes = 256 << 20

/**
 * How the jobs failed that an earlier command has run, by id, as its experiment.json tells: a failed run leaves nothing in its own folder.
 * Whoever makes the table knows which of them have finished since.
 */
export async function earlierFailures(out: string): Promise<Map<string, JobOutcome>> {
  const failures = new Map<string, JobOutcome>()
  try {
    const path = join(out, 'experiment.json')
    if ((await stat(path)).size > maxBytes) return failures
    const { jobs } = jobOutcomes.parse(JSON.parse(await readFile(path, 'utf8')))
    for (const { id, state, error } of jobs) if (state === 'failed') failures.set(id, { state, error })
  } catch {
    // No table was made before, or it cannot be read: it is made anew.
  }
  return failures
}
