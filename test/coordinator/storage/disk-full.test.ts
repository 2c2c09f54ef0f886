import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { startToyRun, toyJob } from '../../support/toy-run.ts'

t.setTimeout(120_000)

const diskKiB = 512

// Needs the right to mount; where there is none, files.test.ts has shown the same with a writer that fails.
t.test('a run on a disk that fills up, and after some room is made', async (t) => {
  const folder = t.testdir({ model: {} })
  const disk = mkdtempSync(join(tmpdir(), 'lethe-disk-'))
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${diskKiB}k`, 'tmpfs', disk])
  if (mounted.status !== 0) {
    rmSync(disk, { recursive: true })
    t.pass('no right to mount a small disk')
    return
  }
  t.teardown(() => {
    spawnSync('umount', ['-l', disk])
    rmSync(disk, { recursive: true })
  })
  const job = toyJob(join(folder, 'model'), { steps: 30, checkpointEvery: 2 })
  const reference = await (await startToyRun(t, job, join(folder, 'reference'))).result

  const out = join(disk, 'run')
  writeFileSync(join(disk, 'ballast'), Buffer.alloc((diskKiB - 110) * 1024))
  const run = await startToyRun(t, job, out)
  await t.rejects(run.result, { code: 'STORAGE_FULL' })
  await run.stop('')
  const names = readdirSync(disk, { recursive: true, encoding: 'utf8' })
  t.notOk(
    names.some((name) => name.endsWith('.part')),
    'nothing is half-written',
  )
  for (const step of existsSync(join(out, 'checkpoints')) ? readdirSync(join(out, 'checkpoints')) : [])
    t.equal(readFileSync(join(out, 'checkpoints', step, 'diffusion_pytorch_model.safetensors')).byteLength, 4000, `${step} is whole`)

  writeFileSync(join(disk, 'ballast'), '')
  const again = await startToyRun(t, job, out)
  t.equal((await again.result).checkpoint.sha256, reference.checkpoint.sha256)
})
