import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { makeDirectory } from '../../../coordinator/storage/directory.ts'

t.test('what is missing is made, what is there stays', async (t) => {
  const folder = t.testdir({})
  makeDirectory(join(folder, 'a/b/c'))
  makeDirectory(join(folder, 'a/b/c'))
  t.ok(existsSync(join(folder, 'a/b/c')))
  writeFileSync(join(folder, 'file'), '')
  t.throws(() => makeDirectory(join(folder, 'file')), { code: 'EEXIST' })
  t.throws(() => makeDirectory(join(folder, 'file/below')), { code: 'ENOTDIR' })
})

t.test('a file system that refuses is an error, not a loop', { skip: !existsSync('/proc') && 'no /proc here' }, async (t) => {
  t.throws(() => makeDirectory('/proc/nothing/below'), { code: 'ENOENT' })
})
