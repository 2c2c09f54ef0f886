import { existsSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { startToyRun, startWorker, toyJob } from '../support/toy-run.ts'

t.setTimeout(240_000)

t.test('workers that disagree are named', async (t) => {
  const folder = t.testdir({ model: {} })
  const run = await startToyRun(t, toyJob(join(folder, 'model')), join(folder, 'run'), { workers: 2, faults: [{}, { astrayAt: 8 }] })
  await t.rejects(run.result, { code: 'COMPUTE_DIGEST', message: /w\d and w\d have different parameters after 8 steps/ })
  await run.stop('')
  t.ok(existsSync(join(folder, 'run', 'checkpoints', 'step-000005', 'config.json')), 'the last checkpoint is intact')
})

t.test('a loss that is not a number ends the run, with its last checkpoint intact', async (t) => {
  const folder = t.testdir({ model: {} })
  const job = toyJob(join(folder, 'model'))
  const run = await startToyRun(t, job, join(folder, 'run'), { faults: [{ nanAt: 7 }] })
  await t.rejects(run.result, { code: 'COMPUTE_NOT_FINITE', message: /step 7/ })
  await run.stop('')
  t.ok(existsSync(join(folder, 'run', 'checkpoints', 'step-000005', 'config.json')))
  const again = await startToyRun(t, job, join(folder, 'run'))
  t.equal((await again.result).steps, 20, 'it can be resumed')
})

t.test('measurements that are not finite are reported, also by a later coordinator', async (t) => {
  const folder = t.testdir({ model: {} })
  const job = toyJob(join(folder, 'model'), { steps: 3 })
  const run = await startToyRun(t, job, join(folder, 'run'), { faults: [{ measuresNaN: true, microBatchMs: 10 }] })
  await run.reached(1)
  await run.stop('enough')
  const again = await startToyRun(t, job, join(folder, 'run'))
  t.match(await again.result, { keep: { before: { loss: null, samples: 20 }, after: { loss: Number, samples: 20 } } })
})

t.test('a newcomer that cannot open the job does not disturb the others', async (t) => {
  const folder = t.testdir({ model: {} })
  const run = await startToyRun(t, toyJob(join(folder, 'model')), join(folder, 'run'), { faults: [{ microBatchMs: 40 }] })
  await run.reached(2)
  const newcomer = startWorker(t, run.bus, { openError: 'CHECKPOINT_FORMAT' })
  t.equal(await newcomer.ended, 31)
  t.match(newcomer.stderr(), /CHECKPOINT_FORMAT/)
  await run.result
  t.ok(run.events.some((event) => event.type === 'notice' && /CHECKPOINT_FORMAT/.test(event.message)))
})
