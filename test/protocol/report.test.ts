import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { experimentReport } from '../../protocol/experiment/report.ts'
import { runReport } from '../../protocol/report.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

function filesNamed(name: string): string[] {
  return ['examples', 'docs/results'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith(`/${name}`))
      .map((path) => join(root, folder, path)),
  )
}

t.test('every report that is here can be read, whatever version wrote it', async (t) => {
  const reports = filesNamed('report.json')
  t.ok(reports.length >= 5)
  for (const path of reports) {
    const { success, error } = runReport.safeParse(JSON.parse(readFileSync(path, 'utf8')))
    t.ok(success, `${path} ${error?.message ?? ''}`)
  }
  for (const path of filesNamed('experiment.json')) t.ok(experimentReport.safeParse(JSON.parse(readFileSync(path, 'utf8'))).success, path)
})
