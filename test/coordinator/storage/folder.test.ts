import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { RunFolder } from '../../../coordinator/storage/folder.ts'

const run = { journal: { 'data.mdb': '', 'lock.mdb': '' }, images: { 'a.png': '' }, state: {}, 'job.yaml': '', 'report.json.part': '' }

t.test('a run folder has a journal; without one there may be logs and a lock', async (t) => {
  const folders = {
    run,
    empty: {},
    logs: { logs: { 'worker-1.log': '' }, lock: '', 'lock.1234': '' },
    cleared: { journal: { 'lock.mdb': '' } },
    strange: { 'letter.txt': '' },
    diary: { journal: { 'monday.txt': '' } },
    images: { images: { 'holiday.png': '' } },
  }
  const path = t.testdir(folders)
  for (const name of ['run', 'empty', 'logs', 'cleared', 'missing']) await t.resolves(new RunFolder(join(path, name)).check(), name)
  for (const name of ['strange', 'diary', 'images'])
    await t.rejects(new RunFolder(join(path, name)).check(), { code: 'RUN_EXISTS', message: /not a run folder/ }, name)
  writeFileSync(join(path, 'file'), '')
  await t.rejects(new RunFolder(join(path, 'file')).check(), { code: 'STORAGE_WRITE' })
})

t.test('a run clears what a run writes, and nothing else', async (t) => {
  const path = t.testdir({ ...run, logs: { 'worker-1.log': '' }, 'notes.txt': '' })
  await new RunFolder(path).clear()
  t.strictSame(readdirSync(path).sort(), ['logs', 'notes.txt'])
})

t.test('only a folder that the run made is taken away', async (t) => {
  const path = t.testdir({ given: {} })
  for (const name of ['given', 'made']) {
    const folder = new RunFolder(join(path, name))
    await folder.check()
    mkdirSync(join(path, name), { recursive: true })
    await folder.removeIfEmpty()
  }
  t.strictSame(readdirSync(path), ['given'])
})

t.test('old states and checkpoints go by their version', async (t) => {
  const versions = ['000005', '000010', '999995', '1000000', '1000005']
  const path = t.testdir({
    state: { ...Object.fromEntries(versions.map((one) => [`step-${one}.safetensors`, ''])), 'step-1000010.safetensors.part': '', mine: '' },
    checkpoints: { ...Object.fromEntries(versions.map((one) => [`step-${one}`, { a: '' }])), mine: {} },
  })
  await new RunFolder(path).prune(1_000_005)
  t.strictSame(readdirSync(join(path, 'state')), ['mine', 'step-1000005.safetensors'])
  t.strictSame(readdirSync(join(path, 'checkpoints')), ['mine', 'step-1000000', 'step-1000005'])
})
