import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type CoordinatorOptions, startCoordinator } from '../../coordinator/main.ts'
import { digestOf } from '../../protocol/digest.ts'
import { unmeasured } from '../../protocol/evaluation.ts'
import { start, startToyRun, startWorker, token, toyJob } from '../support/toy-run.ts'

t.setTimeout(240_000)

/** A coordinator process; its lines as they come, and its URL once it listens. */
function startCoordinatorProcess(t: Test, options: Partial<CoordinatorOptions>) {
  const process = start(t, 'toy-coordinator.ts', [JSON.stringify({ token, ...options })])
  const lines: { type: string; [key: string]: unknown }[] = []
  const waiting: { matches(line: (typeof lines)[number]): boolean; resolve(line: (typeof lines)[number]): void }[] = []
  process.onLine((text) => {
    const line = JSON.parse(text)
    lines.push(line)
    for (const { matches, resolve } of waiting) if (matches(line)) resolve(line)
  })
  const seen = (matches: (line: (typeof lines)[number]) => boolean) =>
    new Promise<(typeof lines)[number]>((resolve) => {
      const line = lines.find(matches)
      if (line) resolve(line)
      else waiting.push({ matches, resolve })
    })
  return { ...process, lines, seen }
}

t.test('a coordinator that is killed is resumed by the same command', async (t) => {
  const folder = t.testdir({ model: {} })
  const job = toyJob(join(folder, 'model'))
  const reference = await (await startToyRun(t, job, join(folder, 'reference'))).result

  const out = join(folder, 'run')
  const first = startCoordinatorProcess(t, { job, out })
  const { url } = await first.seen(({ type }) => type === 'listening')
  const worker = startWorker(t, String(url), { microBatchMs: 10 })
  await first.seen(({ type, phase, done }) => type === 'progress' && phase === 'train' && Number(done) >= 13)
  first.child.kill('SIGKILL')
  await first.ended
  t.ok(existsSync(join(out, 'lock')), 'its lock is still there')

  // The worker looks for the coordinator and finds the new one on the same port.
  const second = startCoordinatorProcess(t, { job, out, port: Number(new URL(String(url)).port) })
  const { sha256 } = await second.seen(({ type }) => type === 'finished')
  t.equal(sha256, reference.checkpoint.sha256)
  t.equal(await worker.ended, 0)
  t.equal(await second.ended, 0)
  const train = second.lines.filter(({ type, phase }) => type === 'progress' && phase === 'train').map(({ done }) => Number(done))
  t.ok(train[0] >= 10 && train[0] < 20, 'it went on from its last checkpoint')
  t.notOk(
    second.lines.some(({ type, phase, version }) => type === 'progress' && phase === 'measure' && version === 0),
    'what was measured is not measured again',
  )
  const { history } = JSON.parse(readFileSync(join(out, 'report.json'), 'utf8'))
  t.strictSame(history, reference.history)
  t.strictSame(readdirSync(join(out, 'state')), ['step-000020.safetensors'], 'old states are gone')
  t.strictSame(readdirSync(join(out, 'checkpoints')), ['step-000015', 'step-000020'], 'old checkpoints too')
  t.strictSame(
    readdirSync(out).filter((name) => /part|lock/.test(name)),
    [],
  )
})

t.test('replayed steps must give the digests of the journal', async (t) => {
  const folder = t.testdir({ model: {} })
  const job = toyJob(join(folder, 'model'), { checkpointEvery: 10 })
  const out = join(folder, 'run')
  const run = await startToyRun(t, job, out, { faults: [{ microBatchMs: 5 }] })
  await run.reached(4)
  await run.stop('enough')
  await t.rejects(run.result, { code: 'INTERRUPTED' })
  const again = await startToyRun(t, job, out, { faults: [{ astrayAt: 2 }] })
  await t.rejects(again.result, { code: 'COMPUTE_DIGEST', message: /the journal/ })
  const third = await startToyRun(t, job, out)
  await third.result
})

t.test('what is in the run folder decides', async (t) => {
  const folder = t.testdir({ model: {} })
  const job = toyJob(join(folder, 'model'), { steps: 3 })
  const out = join(folder, 'run')
  const run = await startToyRun(t, job, out)
  await t.rejects(startCoordinator({ job, out }), { code: 'RUN_LOCKED' })
  const report = await run.result

  const other = toyJob(join(folder, 'model'), { steps: 4 })
  await t.rejects(startCoordinator({ job: other, out }), { code: 'RUN_EXISTS', received: 'training.steps: 3 there, 4 now' })
  writeFileSync(join(folder, 'model', 'diffusion_pytorch_model.safetensors'), 'others')
  await t.rejects(startCoordinator({ job, out }), { code: 'RUN_EXISTS', message: /from another checkpoint/ })
  const replaced = await startToyRun(t, unmeasured(other), out, { fresh: true })
  const { steps, checkpoint, keep } = await replaced.result
  t.equal(steps, 4)
  t.not(checkpoint.sha256, report.checkpoint.sha256)
  t.strictSame(keep, { before: null, after: null }, 'nothing was measured')
})

t.test('a run that never began leaves nothing', async (t) => {
  const folder = t.testdir({ model: {} })
  const job = toyJob(join(folder, 'model'))
  const out = join(folder, 'run')
  const run = await startToyRun(t, job, out, { faults: [{ openError: 'CHECKPOINT_FORMAT' }] })
  await t.rejects(run.result, { code: 'CHECKPOINT_FORMAT' })
  await run.stop('')
  t.notOk(existsSync(out))

  const missing = { ...job, model: { checkpoint: join(folder, 'nowhere') } }
  await t.rejects(startCoordinator({ job: missing, out }), { code: 'CHECKPOINT_MISSING' })
  t.notOk(existsSync(out))
})

t.test('a folder with other things in it is not touched', async (t) => {
  const folder = t.testdir({
    model: {},
    home: { 'thesis.txt': 'years of work', checkpoint: { a: '' } },
    started: { logs: { 'worker-1.log': '' } },
  })
  const job = toyJob(join(folder, 'model'), { steps: 1 })
  for (const fresh of [false, true])
    await t.rejects(startCoordinator({ job, out: join(folder, 'home'), fresh }), { code: 'RUN_EXISTS', message: /not a run folder/ })
  t.strictSame(readdirSync(join(folder, 'home')), ['checkpoint', 'thesis.txt'], 'no lock, no journal')
  const run = await startToyRun(t, job, join(folder, 'started'))
  t.equal((await run.result).steps, 1, 'logs of an earlier try do no harm')
})

t.test('a job measures nothing from its first to its last coordinator', async (t) => {
  const folder = t.testdir({ model: {} })
  const job = toyJob(join(folder, 'model'), { steps: 3 })
  const out = join(folder, 'run')
  const run = await startToyRun(t, job, out, { faults: [{ microBatchMs: 20 }] })
  await run.reached(8, 'measure')
  await run.stop('enough')
  await t.rejects(startCoordinator({ job: unmeasured(job), out }), { code: 'RUN_EXISTS' })
  const again = await startToyRun(t, job, out)
  t.match(await again.result, { keep: { before: { samples: 20 }, after: { samples: 20 } } })
})

t.test('a project may be moved', async (t) => {
  const folder = t.testdir({ model: {} })
  const job = toyJob(join(folder, 'model'), { steps: 3 })
  const written = { ...job, model: { checkpoint: 'model' } }
  const out = join(folder, 'run')
  const report = await (await startToyRun(t, job, out, { written })).result
  t.equal(report.jobDigest, digestOf(report.job), 'the report has what its digest is of')
  renameSync(join(folder, 'model'), join(folder, 'moved'))
  const moved = { ...job, model: { checkpoint: join(folder, 'moved') } }
  t.strictSame(await (await startCoordinator({ job: moved, written, out })).result, report)
})
