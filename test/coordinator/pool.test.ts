import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { startCoordinator } from '../../coordinator/main.ts'
import { runReport } from '../../protocol/report.ts'
import { startToyRun, startWorker, toyJob } from '../support/toy-run.ts'

t.setTimeout(240_000)

t.test('the number of workers, their deaths and their arrivals never change a bit', async (t) => {
  const folder = t.testdir({ model: {} })
  const job = toyJob(join(folder, 'model'))
  const reports = await Promise.all(
    [1, 3].map(async (workers) => {
      const run = await startToyRun(t, job, join(folder, `pool-${workers}`), { workers })
      const report = await run.result
      t.strictSame(await Promise.all(run.pool.map(({ ended }) => ended)), Array(workers).fill(0), 'workers end well with the run')
      return report
    }),
  )
  const [{ checkpoint, keep, history }] = reports
  t.equal(reports[1].checkpoint.sha256, checkpoint.sha256, '1 and 3 workers')
  t.strictSame(reports[1].history, history)
  t.strictSame(reports[1].keep, keep)

  t.test('one is killed in mid-step, another joins', async (t) => {
    const run = await startToyRun(t, job, join(folder, 'killed'), { workers: 2, faults: [{ microBatchMs: 15 }] })
    const newcomer = startWorker(t, run.bus, { microBatchMs: 15, joinsOnSignal: true })
    const isReady = new Promise<void>((resolve) => newcomer.onLine(() => resolve()))
    await Promise.all([run.reached(3), isReady])
    run.pool[0].child.kill('SIGKILL')
    await run.reached(7)
    newcomer.child.kill('SIGUSR2')
    const report = await run.result
    t.equal(report.checkpoint.sha256, checkpoint.sha256)
    t.strictSame(report.history, history)
    t.equal(run.events.filter(({ type }) => type === 'workerLeft').length, 1)
    t.equal(run.events.filter(({ type }) => type === 'workerJoined').length, 3)
    const dones = run.events.flatMap((event) => (event.type === 'progress' && event.phase === 'train' ? [event.done] : []))
    t.strictSame(
      dones,
      Array.from({ length: 20 }, (_, i) => i + 1),
      'every step is committed once',
    )
  })

  t.test('all are killed: the next one replays from the last checkpoint', async (t) => {
    const run = await startToyRun(t, job, join(folder, 'all-killed'), { workers: 2, faults: [{ microBatchMs: 15 }] })
    await run.reached(8)
    for (const { child } of run.pool) child.kill('SIGKILL')
    startWorker(t, run.bus)
    const report = await run.result
    t.equal(report.checkpoint.sha256, checkpoint.sha256)
    t.strictSame(report.history, history)
  })

  t.test('one is killed while it measures', async (t) => {
    const run = await startToyRun(t, job, join(folder, 'killed-measuring'), { workers: 2, faults: [{ microBatchMs: 25 }] })
    await run.reached(8, 'measure')
    run.pool[0].child.kill('SIGKILL')
    const report = await run.result
    t.equal(report.checkpoint.sha256, checkpoint.sha256)
    t.strictSame(report.keep, keep, 'every sample is measured once')
  })

  t.test('one that stands still is left behind, and may come back', async (t) => {
    const run = await startToyRun(t, job, join(folder, 'stopped'), { workers: 2, faults: [{ microBatchMs: 15 }] })
    await run.reached(3)
    run.pool[0].child.kill('SIGSTOP')
    await run.reached(4)
    run.pool[0].child.kill('SIGCONT')
    const report = await run.result
    t.equal(report.checkpoint.sha256, checkpoint.sha256)
    const left = run.events.find((event) => event.type === 'workerLeft')
    t.match(left, { reason: /no heartbeat/ })
  })

  t.test('a finished run gives its result again', async (t) => {
    const again = await startCoordinator({ job, out: join(folder, 'pool-1') })
    t.strictSame(await again.result, reports[0])
    const stored = runReport.parse(JSON.parse(readFileSync(join(folder, 'pool-1', 'report.json'), 'utf8')))
    t.strictSame(stored, reports[0])
  })
})
