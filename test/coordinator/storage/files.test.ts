import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { diskError, replaceFile, replaceFolder, type WriteFile } from '../../../coordinator/storage/files.ts'

const bytes = (text: string) => Buffer.from(text)

/** A disk that is full after so many files. */
function fullAfter(files: number): WriteFile {
  let written = 0
  return async (path, content) => {
    writeFileSync(path, content.subarray(0, content.byteLength / 2))
    written += 1
    if (written > files) throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
    writeFileSync(path, content)
  }
}

t.test('a file is replaced as a whole', async (t) => {
  const folder = t.testdir()
  const path = join(folder, 'new', 'file')
  await replaceFile(path, bytes('one'))
  await replaceFile(path, bytes('two'))
  t.equal(readFileSync(path, 'utf8'), 'two')
  await t.rejects(replaceFile(path, bytes('three'), fullAfter(0)), { code: 'STORAGE_FULL', exitCode: 60 })
  t.equal(readFileSync(path, 'utf8'), 'two', 'the old content stays')
  t.strictSame(readdirSync(join(folder, 'new')), ['file'], 'nothing is half-written')
})

t.test('a folder is replaced as a whole', async (t) => {
  const folder = t.testdir()
  const path = join(folder, 'checkpoint')
  const files = (text: string) => ['a', 'b'].map((name) => ({ path: name, bytes: bytes(text + name) }))
  await replaceFolder(path, files('one'))
  await t.rejects(replaceFolder(path, files('two'), fullAfter(1)), { code: 'STORAGE_FULL' })
  t.strictSame(readdirSync(folder), ['checkpoint'])
  t.equal(readFileSync(join(path, 'b'), 'utf8'), 'oneb')
  await replaceFolder(path, files('two'))
  t.equal(readFileSync(join(path, 'b'), 'utf8'), 'twob')
})

t.test('what is left of a writer that was killed does not matter', async (t) => {
  const folder = t.testdir({ 'state.part': 'half', 'checkpoint.part': { a: 'half' } })
  await replaceFile(join(folder, 'state'), bytes('whole'))
  await replaceFolder(join(folder, 'checkpoint'), [{ path: 'a', bytes: bytes('whole') }])
  t.strictSame(readdirSync(folder), ['checkpoint', 'state'])
})

t.test('errors', async (t) => {
  const folder = t.testdir({ file: '' })
  await t.rejects(replaceFile(join(folder, 'file', 'inside'), bytes('')), { code: 'STORAGE_WRITE' })
  t.equal(diskError(new Error('Commit failed: No space left on device'), '').code, 'STORAGE_FULL')
})
