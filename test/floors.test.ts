import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { floors, floorViolations } from './floors.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

t.test('no file of the product imports from a floor above or beside its own', async (t) => {
  const paths = floors.flatMap((floor) =>
    readdirSync(join(root, floor), { recursive: true, encoding: 'utf8' })
      .filter((path) => /\.[jt]s$/.test(path))
      .map((path) => join(floor, path).replaceAll('\\', '/')),
  )
  t.ok(paths.includes('protocol/errors.ts'), 'the product was found')
  t.same(floorViolations(paths.map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }))), [])
})

t.test('every way to import is caught', async (t) => {
  const caught = (path: string, text: string) => floorViolations([{ path, text }]).length
  t.equal(caught('protocol/a.ts', `import { x } from '../worker/x.ts'`), 1, 'static')
  t.equal(caught('protocol/methods/a.ts', `import type { X } from '../../worker/x.ts'`), 1, 'types')
  t.equal(caught('protocol/a.ts', `export * from '../coordinator/x.ts'`), 1, 're-export')
  t.equal(caught('worker/a.ts', `const x = await import('../coordinator/x.ts')`), 1, 'dynamic')
  t.equal(caught('coordinator/a.ts', `new Worker(new URL('../worker/x.ts', import.meta.url))`), 1, 'thread')
  t.equal(caught('worker/a.ts', `import { main } from '../cli/main.ts'`), 1, 'the top floor')
  t.equal(caught('worker/a.ts', `import { x } from '../test/x.ts'`), 1, 'tests')
  t.equal(
    caught('worker/nn/a.ts', `import { x } from '../../protocol/x.ts'; import { y } from '../engine/y.ts'; import fs from 'node:fs'`),
    0,
  )
  t.equal(caught('cli/a.ts', `import { x } from '../worker/x.ts'; import { y } from '../coordinator/y.ts'`), 0)
})
