import { LetheError } from '../errors.ts'
import type { ExperimentJob } from './expansion.ts'

/* Lines of the table: jobs with equal labels, but for these two, belong to one line. */

/** Tells repetitions of one line apart, which are averaged. */
export const seedLabel = 'seed'
/** What the attacker has, where a line has more than one attack. */
export const attackLabel = 'attack'

type Labelled = Pick<ExperimentJob, 'id' | 'row' | 'job'>

/** Labels of the line, in the order of the file. */
export function lineLabels(row: Readonly<Record<string, string>>): [string, string][] {
  return Object.entries(row).filter(([label]) => label !== seedLabel && label !== attackLabel)
}

export function lineKey(row: Readonly<Record<string, string>>): string {
  return JSON.stringify(lineLabels(row).sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** Which images the attacker trains on, as the table calls them. */
export function attackName({ row, job }: Labelled): string {
  const own = row?.[attackLabel]
  if (own !== undefined) return own
  const attack = job.kind === 'attack' ? job.attack : undefined
  return `${attack?.sources ? 'other images' : 'kept data'}${attack?.shuffleLabels ? ', labels shuffled' : ''}`
}

/** @throws LetheError JOB_INVALID where two jobs fill the same cells. `nameOf` says where the labels of a job stand. */
export function checkCells(jobs: readonly Labelled[], nameOf: (id: string) => string): void {
  const cells = new Map<string, string>()
  for (const one of jobs) {
    if (!one.row) continue
    const part = one.job.kind === 'attack' ? `attack ${attackName(one)}` : 'model'
    const cell = JSON.stringify([lineKey(one.row), one.row[seedLabel] ?? '', part])
    const earlier = cells.get(cell)
    if (earlier !== undefined)
      throw new LetheError('JOB_INVALID', {
        message: `${nameOf(one.id)} is not allowed`,
        expected: 'one model, and one attack of each name, for each line and seed',
        received: `the labels of ${earlier} again, for ${one.id}`,
        hint: 'Give them another label, such as `seed` or, for attacks, `attack`.',
      })
    cells.set(cell, one.id)
  }
}
