import type { ExperimentReport, ExperimentRow } from '../../protocol/experiment/report.ts'
import { gapsText, halfText, notMeasured, number, partialText, share, shareText, valueText, withInterval } from './format.ts'

/** The table as text, for a terminal: models first, then each attack beside its controls. */
export function experimentTable(report: ExperimentReport): string {
  const models = [
    ['', ...report.columns.map(({ label }) => label)],
    ...report.rows.map((row) => [
      row.title,
      ...report.columns.map((column) => {
        const cell = row.cells[column.key]
        return cell ? noted(withInterval(cell, column), partialText(cell.readings, report, row)) : notMeasured
      }),
    ]),
  ]
  const attacked = report.rows.flatMap((row) => attackLines(report, row))
  const head = ['attack', 'on', 'start', 'end', 'mean share', 'half back at step', 'original', 'retrained']
  const gaps = report.rows.map(({ title, jobs }) => [title, gapsText(report, jobs)]).filter(([, text]) => text !== '')
  const parts = [
    report.columns.length > 0 ? aligned(models) : '',
    attacked.length > 0 ? aligned([head, ...attacked]) : '',
    gaps.map(([title, text]) => `${title}: ${text}`).join('\n'),
  ]
  return [report.title, ...parts].filter((part) => part !== '').join('\n\n')
}

const noted = (text: string, note: string) => (note === '' ? text : `${text}, ${note}`)

function attackLines(report: ExperimentReport, row: ExperimentRow): string[][] {
  return row.attacks.map(({ name, start, end, area, half, controls, seeds }) => [
    row.title,
    noted(name, partialText(seeds, report, row)),
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
