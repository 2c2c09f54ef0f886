import { LetheError } from '../errors.ts'
import type { ExperimentJob } from './expansion.ts'

/** The words of an id end at hyphens and dots: `siss-0` is of `siss-0` and `siss-0-kept`, not of `siss-05`. */
export function startsId(id: string, prefix: string): boolean {
  return id === prefix || (id.startsWith(prefix) && /^[-.]/.test(id.slice(prefix.length)))
}

/** The jobs whose id begins with one of the prefixes of that option. @throws LetheError USAGE where a prefix is of no job. */
export function startingWith(jobs: readonly ExperimentJob[], prefixes: readonly string[], option: string): ExperimentJob[] {
  const idle = prefixes.find((prefix) => !jobs.some(({ id }) => startsId(id, prefix)))
  if (idle !== undefined)
    throw new LetheError('USAGE', { message: `${option} ${idle} is of no job`, expected: jobs.map(({ id }) => id).join(', ') })
  return jobs.filter(({ id }) => prefixes.some((prefix) => startsId(id, prefix)))
}

/**
 * The jobs whose id begins with one of the prefixes, and what they need, controls too; all where there is no prefix.
 * @throws LetheError USAGE where a prefix is of no job.
 */
export function selected(jobs: readonly ExperimentJob[], prefixes: readonly string[]): ExperimentJob[] {
  if (prefixes.length === 0) return [...jobs]
  const wanted = new Set<string>()
  const byId = new Map(jobs.map((job) => [job.id, job]))
  const rest = startingWith(jobs, prefixes, '--only').map(({ id }) => id)
  for (let id = rest.pop(); id !== undefined; id = rest.pop()) {
    if (wanted.has(id)) continue
    wanted.add(id)
    const job = byId.get(id)
    rest.push(...(job?.dependsOn ?? []), ...Object.values(job?.controls ?? {}))
  }
  return jobs.filter(({ id }) => wanted.has(id))
}
