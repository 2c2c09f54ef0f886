import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { RunReport } from '../../protocol/report.ts'
import { replaceFile } from '../storage/files.ts'
import { json } from './files.ts'

/**
 * Writes report.json of a finished run again where it does not hold what the journal says: it was damaged, or taken away.
 * @throws LetheError STORAGE_*
 */
export async function restoreReport(out: string, report: RunReport): Promise<void> {
  const path = join(out, 'report.json')
  const bytes = Buffer.from(json(report))
  const isWhole = async () => (await stat(path)).size === bytes.byteLength && bytes.equals(await readFile(path))
  if (!(await isWhole().catch(() => false))) await replaceFile(path, bytes)
}
