import { spawnSync } from 'node:child_process'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { lock } from '../../../coordinator/storage/lock.ts'

t.test('one owner at a time', async (t) => {
  const folder = t.testdir()
  const path = join(folder, 'run', 'lock')
  const release = await lock(path)
  await t.rejects(lock(path), { code: 'RUN_LOCKED' })
  await release()
  await (await lock(path))()
  t.strictSame(readdirSync(join(folder, 'run')), [], 'nothing is left')
})

t.test('the lock of a dead process is taken over', async (t) => {
  const folder = t.testdir()
  const path = join(folder, 'lock')
  const { pid } = spawnSync(process.execPath, ['-e', ''])
  for (const content of [`${pid} 1\n`, '', 'nonsense\n', `${process.pid} 1\n`]) {
    writeFileSync(path, content)
    await (await lock(path))()
  }
  t.strictSame(readdirSync(folder), [])
})

t.test('of many who find a dead owner, one wins', async (t) => {
  const path = join(t.testdir(), 'lock')
  writeFileSync(path, '0 0\n')
  const results = await Promise.allSettled(Array.from({ length: 8 }, () => lock(path)))
  t.equal(results.filter(({ status }) => status === 'fulfilled').length, 1)
})
