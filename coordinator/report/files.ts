import { sep } from 'node:path'
import type { FileBytes } from '../../protocol/digest.ts'
import type { RunReport } from '../../protocol/report.ts'
import { runReport } from '../../protocol/report.ts'
import { generatedFiles } from './generated.ts'
import { reportHtml } from './html.ts'
import type { ReportInput } from './input.ts'
import { pictureFiles } from './pictures.ts'
import { reportOf } from './summary.ts'

/**
 * The report of a run and its files: report.json, report.html, images/*.png. Paths below `base` are written relative to it, so that
 * a report can be shared without telling where its author keeps things.
 */
export async function reportFiles(input: ReportInput, base: string): Promise<{ report: RunReport; files: FileBytes[] }> {
  const shared = await reportOf(input)
  const report = runReport.parse({ ...shared, job: withoutBase(shared.job, base), checkpoint: withoutBase(shared.checkpoint, base) })
  const files = [
    ...pictureFiles(input),
    ...generatedFiles(input),
    { path: 'report.html', bytes: Buffer.from(reportHtml(report, input)) },
    { path: 'report.json', bytes: Buffer.from(json(report)) },
  ]
  return { report, files }
}

/** One line per top-level key: readable, and short even with a long history. */
export function json(report: RunReport): string {
  const lines = Object.entries(report).map(([key, value]) => `  ${JSON.stringify(key)}: ${JSON.stringify(value)}`)
  return `{\n${lines.join(',\n')}\n}\n`
}

function withoutBase(value: unknown, base: string): unknown {
  const start = base.endsWith(sep) ? base : base + sep
  if (typeof value === 'string') return value.startsWith(start) ? value.slice(start.length) : value
  if (Array.isArray(value)) return value.map((entry) => withoutBase(entry, base))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, withoutBase(entry, base)]))
}
