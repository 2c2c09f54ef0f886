import type { ExperimentReport, ExperimentRow } from '../../protocol/experiment/report.ts'
import { gapsText, halfText, notMeasured, number, share, shareText, valueText, withInterval } from './format.ts'

/** The table as text, for a terminal: models first, then each attack beside its controls. */
export function experimentTable(report: ExperimentReport): string {
  const models = [
    ['', ...report.columns.map(({ label }) => label)],
    ...report.rows.map(({ title, cells }) => [title, ...report.columns.map((column) => withInterval(cells[column.key], column))]),
  ]
  const attacked = report.rows.flatMap(attackLines)
  const head = ['attack', 'on', 'start', 'end', 'mean share', 'half back at step', 'original', 'retrained']
  const gaps = report.rows.map(({ title, jobs }) => [title, gapsText(report, jobs)]).filter(([, text]) => text !== '')
  const parts = [
    report.columns.length > 0 ? aligned(models) : '',
    attacked.length > 0 ? aligned([head, ...attacked]) : '',
    gaps.map(([title, text]) => `${title}: ${text}`).join('\n'),
  ]
  return [report.title, ...parts].filter((part) => part !== '').join('\n\n')
}

function attackLines({ title, attacks }: ExperimentRow): string[][] {
  return attacks.map(({ name, start, end, area, half, controls }) => [
    title,
    name,
    valueText(start, share),
    withInterval(end, share),
    valueText(area, number),
    halfText(half),
    ...[controls.original, controls.retrained].map((arm) =>
      arm?.end.value == null ? notMeasured : `${shareText(arm.end.value)} at the end`,
    ),
  ])
}

function aligned(rows: readonly (readonly string[])[]): string {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)))
  return rows
    .map((row) =>
      row
        .map((text, column) => text.padEnd(widths[column]))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
