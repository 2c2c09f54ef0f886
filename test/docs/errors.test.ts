import { readFileSync } from 'node:fs'
import t from 'tap'
import { errorsPage } from '../../docs/errors.ts'
import { errorTable } from '../../protocol/errors.ts'

t.test('docs/errors.md is what the error table makes (npm run docs)', async (t) => {
  t.equal(readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8'), errorsPage())
})

t.test('every code has a row and an exit status of its own', async (t) => {
  const page = errorsPage()
  for (const code of Object.keys(errorTable)) t.match(page, `\`${code}\``)
  const statuses = Object.values(errorTable).map(({ exitCode }) => exitCode)
  t.equal(new Set(statuses).size, statuses.length)
  t.ok(statuses.every((status) => status > 0 && status < 256))
})
