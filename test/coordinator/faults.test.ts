import { existsSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { startToyRun, startWorker, toyJob } from '../support/toy-run.ts'

t.setTimeout(240_000)

t.test('of two workers that disagree nobody knows who is right: both are named', async (t) => {
  const folder = t.testdir({ model: {} })
  const run = await startToyRun(t, toyJob(join(folder, 'model')), join(folder, 'run'), { workers: 2, faults: [{}, { astrayAt: 8 }] })
  await t.rejects(run.result, { code: 'COMPUTE_DIGEST', message: /w\d and w\d have different parameters after 8 steps/ })
  await run.stop('')
  t.ok(existsSync(join(folder, 'run', 'checkpoints', 'step-000005', 'config.json')), 'the last checkpoint is intact')
})

t.test('one that disagrees with most is sent away, and the run ends in the right hash', async (t) => {
  const folder = t.testdir({ model: {} })
  const job = toyJob(join(folder, 'model'))
  const [{ checkpoint, history }, run] = await Promise.all([
    startToyRun(t, job, join(folder, 'reference')).then(({ result }) => result),
    startToyRun(t, job, join(folder, 'run'), { workers: 3, faults: [{ microBatchMs: 5 }, { microBatchMs: 5, astrayAt: 8 }, {}] }),
  ])
  const report = await run.result
  t.equal(report.checkpoint.sha256, checkpoint.sha256)
  t.strictSame(report.history, history)
  t.equal(report.faults.length, 1)
  t.match(report.faults, [{ step: 8, message: /^w\d has other parameters than the others after 8 steps/, fingerprint: /^[0-9a-f]{64}$/ }])
  t.equal(await run.pool[1].ended, 52, 'its process ends with the error')
  t.match(run.pool[1].stderr(), /COMPUTE_DIGEST/)
  t.ok(run.events.some((event) => event.type === 'notice' && event.message.startsWith(`${report.faults[0].worker} has other parameters`)))
})

t.test('a flipped bit in a gradient is found by the audit, attributed, and not in the result', async (t) => {
  const folder = t.testdir({ model: {} })
  const job = toyJob(join(folder, 'model'))
  const options = { workers: 3, faults: [{}, { flipsBitAt: 6 }, {}], auditEvery: 1 }
  const [{ checkpoint, history }, run] = await Promise.all([
    startToyRun(t, job, join(folder, 'reference')).then(({ result }) => result),
    startToyRun(t, job, join(folder, 'run'), options),
  ])
  const report = await run.result
  t.equal(report.checkpoint.sha256, checkpoint.sha256)
  t.strictSame(report.history, history)
  t.equal(report.faults.length, 1)
  t.match(report.faults, [{ step: 6, message: /computed another gradient than the others/ }])
  t.equal(await run.pool[1].ended, 52)
  t.strictSame(await Promise.all([run.pool[0].ended, run.pool[2].ended]), [0, 0])
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
  const run = await startToyRun(t, toyJob(join(folder, 'model'), { steps: 40 }), join(folder, 'run'), { faults: [{ microBatchMs: 40 }] })
  await run.reached(2)
  const newcomer = startWorker(t, run.bus, { openError: 'CHECKPOINT_FORMAT' })
  t.equal(await newcomer.ended, 31)
  t.match(newcomer.stderr(), /CHECKPOINT_FORMAT/)
  await run.result
  t.ok(run.events.some((event) => event.type === 'notice' && /CHECKPOINT_FORMAT/.test(event.message)))
})
