import { execFileSync } from 'node:child_process'
import { cpSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import t from 'tap'
import { codeDigest } from '../../protocol/code.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

t.test('the digest is what find and sha256sum give', async (t) => {
  const command = "find protocol worker -name '*.ts' | LC_ALL=C sort | xargs sha256sum | sha256sum"
  t.equal(codeDigest(), execFileSync('sh', ['-c', command], { cwd: root, encoding: 'utf8' }).split(' ')[0])
  const startedAt = performance.now()
  for (let i = 0; i < 1000; i++) codeDigest()
  t.ok(performance.now() - startedAt < 50, 'read once')
})

t.test('one character in one source makes it another', async (t) => {
  const copy = t.testdir({})
  for (const folder of ['protocol', 'worker']) cpSync(join(root, folder), join(copy, folder), { recursive: true })
  writeFileSync(join(copy, 'package.json'), '{"type":"module"}')
  const digestOfCopy = async (turn: number) =>
    (await import(`${pathToFileURL(join(copy, 'protocol/code.ts'))}?${turn}`)).codeDigest() as string
  t.equal(await digestOfCopy(1), codeDigest(), 'wherever it lies')
  writeFileSync(join(copy, 'worker/new.ts'), ' ')
  t.not(await digestOfCopy(2), codeDigest())
})
