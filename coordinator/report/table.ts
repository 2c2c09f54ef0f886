import type { Figures } from './row.ts'
import { rowsOf } from './rows.ts'

/** The before/after table for a terminal, without colour; '' where nothing was measured. Columns that are empty are left out. */
export function textTable(report: Figures): string {
  const rows = rowsOf(report)
  if (rows.length === 0) return ''
  const cells = [['', 'before', 'after', 'change'], ...rows.map(({ label, before, after, change }) => [label, before, after, change])]
  const used = cells[0].map((_, column) => column).filter((column) => cells.slice(1).some((row) => row[column] !== ''))
  const widths = used.map((column) => Math.max(...cells.map((row) => row[column].length)))
  const lines = cells.map((row) =>
    used
      .map((column, i) => (column === 0 ? row[column].padEnd(widths[i]) : row[column].padStart(widths[i])))
      .join('   ')
      .trimEnd(),
  )
  const rule = widths.map((width) => '─'.repeat(width)).join('   ')
  return [lines[0], rule, ...lines.slice(1)].join('\n')
}
