import { join } from 'node:path'
import type { RunReport } from '../../protocol/report.ts'
import { replaceFile } from '../storage/files.ts'
import { reportFiles } from './files.ts'
import type { ReportInput } from './input.ts'

export type { Phase, ReportInput, UnitResults } from './input.ts'
export { textTable } from './table.ts'

/** Writes the report into the run folder `out`; report.json comes last, so where it is, the rest is. Throws STORAGE_*. */
export async function writeReport(out: string, input: ReportInput): Promise<RunReport> {
  const { report, files } = await reportFiles(input, process.cwd())
  for (const { path, bytes } of files) await replaceFile(join(out, path), bytes)
  return report
}
