import type { Cell, ExperimentColumn, ExperimentReport, ExperimentRow, HalfRecovery } from '../../protocol/experiment/report.ts'
import { seedLabel } from '../../protocol/experiment/rows.ts'
import { notFinite, significant } from '../report/text.ts'

/* Cells as a reader sees them. */

export const notMeasured = '–'

type Kind = Pick<ExperimentColumn, 'isShare'>

/* What the cells of attacks are. */
export const share: Kind = { isShare: true }
export const number: Kind = { isShare: false }

/** `97.5 %`, `0.05 %`: a share below one in a hundred needs a digit more. */
export function shareText(share: number): string {
  return `${perCent(share)} %`
}

const perCent = (share: number) => (100 * share).toFixed(share > 0 && share < 0.01 ? 2 : 1)

export function valueText(cell: Cell | undefined, { isShare }: Kind): string {
  if (!cell || cell.readings.length === 0) return notMeasured
  if (cell.value === null) return notFinite
  return isShare ? shareText(cell.value) : significant(cell.value)
}

/** `95.1 to 98.8 %`; nothing where there is no interval. */
export function intervalText(cell: Cell | undefined, { isShare }: Kind): string {
  if (!cell?.interval) return ''
  const [low, high] = cell.interval
  return isShare ? `${perCent(low)} to ${perCent(high)} %` : `${significant(low)} to ${significant(high)}`
}

/** `97.5 % (95.1 to 98.8 %)`, the value alone where there is no interval. */
export function withInterval(cell: Cell | undefined, column: Kind): string {
  const interval = intervalText(cell, column)
  return valueText(cell, column) + (interval && ` (${interval})`)
}

/** `seed 1 only`, where the row has other seeds too, by its label. */
export function partialText(readings: readonly { seed: string }[], { jobs }: ExperimentReport, row: ExperimentRow): string {
  const seeds = new Set(jobs.filter(({ id }) => row.jobs.includes(id)).flatMap((job) => job.row?.[seedLabel] ?? []))
  const measured = [...seeds].filter((seed) => readings.some((one) => one.seed === seed))
  return measured.length < seeds.size ? `${measured.length === 1 ? 'seed' : 'seeds'} ${measured.join(', ')} only` : ''
}

/** Neither reached nor censored: what was measured is not finite. */
export const isUnknown = ({ step, censoredAt }: Pick<HalfRecovery, 'step' | 'censoredAt'>) => step === null && censoredAt === null

/** `37`, or `> 200` where half was not back by then. */
export function halfText({ step, censoredAt, readings }: HalfRecovery): string {
  if (isUnknown({ step, censoredAt })) return notFinite
  const censored = readings.filter((one) => one.step === null).length
  const text = step === null ? `> ${censoredAt}` : Number(step.toPrecision(3)).toString()
  return censored > 0 && censored < readings.length ? `${text} (never in ${censored} of ${readings.length})` : text
}

/** Why a line lacks numbers: which of its jobs have failed, and how many have not been run. */
export function gapsText(report: ExperimentReport, jobs: readonly string[]): string {
  const own = report.jobs.filter(({ id }) => jobs.includes(id))
  const failed = own.flatMap(({ id, state, error }) =>
    state === 'failed' ? [`${id} failed${error ? ` (${error.code}: ${error.message})` : ''}`] : [],
  )
  const count = (state: 'skipped' | 'unfinished') => own.filter((job) => job.state === state).length
  const counted = (number: number, words: string) => (number > 0 ? [`${number} of ${own.length} jobs ${words}`] : [])
  return [...failed, ...counted(count('skipped'), 'skipped'), ...counted(count('unfinished'), 'not run')].join(', ')
}
