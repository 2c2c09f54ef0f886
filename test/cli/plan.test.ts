import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type Plan, planOf } from '../../cli/plan-figures.ts'
import { planText, size, time } from '../../cli/plan-table.ts'
import { jobYaml } from '../../protocol/jobfile.ts'
import type { SessionSummary } from '../../protocol/messages.ts'
import { checkpointFiles, tinyJob, writePictures } from '../support/tiny-job.ts'
import { lethe } from './command.ts'

t.setTimeout(180_000)

const summary: SessionSummary = {
  parameterCount: 1_000_000,
  channels: ['keep', 'forget'],
  microBatches: 8,
  manifestDigest: '0'.repeat(64),
  forgetDigest: '0'.repeat(64),
  items: 7,
  forgetItems: 2,
  imageShape: [8, 8, 1],
  engine: 'onnx 1.2.3, 1 thread',
}
const step = { summary, microBatchMs: 100, timed: 5 }
const socket = { bytesPerSecond: 1e9, latencyMs: 0.1 }

async function jobFolder(t: Test, wire: 'f32' | 'bf16' = 'f32') {
  const cwd = t.testdir({ parent: {} })
  for (const { path, bytes } of checkpointFiles()) writeFileSync(join(cwd, 'parent', path), bytes)
  const job = tinyJob('unlearn', await writePictures(cwd), { training: { wire } })
  writeFileSync(join(cwd, 'job.yaml'), jobYaml(job))
  return { cwd, job }
}

t.test('the arithmetic, by hand', async (t) => {
  const { job } = await jobFolder(t)
  const found = planOf(job, step, socket, { workers: 3, link: null, latency: null })
  t.same(
    found.rows.map(({ workers, reducer }) => `${workers} ${reducer}`),
    [1, 2, 3].flatMap((workers) => [`${workers} central`, `${workers} sharded`]),
  )
  const [, , central2, sharded2, central3] = found.rows
  // Two workers have four micro-batches each, one subtree: 2 × 8 MB in, 2 × 4 MB out, at 1 GB/s.
  t.match(central2, { sentBytes: 8e6, receivedBytes: 4e6, busiestInBytes: 16e6, busiestOutBytes: 8e6 })
  t.ok(Math.abs(central2.stepMs - (400 + 24 + 0.2)) < 1e-9)
  t.ok(Math.abs(central2.speedup - 800 / 424.2) < 1e-9)
  t.match(sharded2, { sentBytes: 6e6, receivedBytes: 6e6 })
  t.ok(Math.abs(sharded2.stepMs - (400 + 6 + 0.6)) < 1e-9)
  // Three have 3, 2 and 3 of eight: [0,3) and [5,8) are two subtrees each, [3,5) two as well.
  t.match(central3, { busiestInBytes: 6 * 8e6, sentBytes: 16e6 })
  t.ok(Math.abs(central3.stepMs - (300 + 48 + 12 + 0.2)) < 1e-9)
  t.equal(found.auto.reducer, 'central')
  t.match(found.best, { workers: 3, reducer: 'sharded' })
})

t.test('a slow line, a fast one, bf16', async (t) => {
  const { job } = await jobFolder(t, 'bf16')
  const slow = planOf(job, step, socket, { workers: 8, link: 20e6 / 8, latency: 5 })
  t.same(slow.link, { bytesPerSecond: 0.94 * 2.5e6, latencyMs: 5, lineBytesPerSecond: 2.5e6 })
  t.equal(slow.rows[2].sentBytes, 4e6, 'half the bytes')
  t.equal(slow.best, null)
  t.match(
    planText(slow),
    /Not worth it: the best speed-up is 0\.\d\d×, below 1\.2\. Run whole jobs side by side: 8 of them take the time of one\./,
  )
  const fast = planOf(job, step, socket, { workers: 2, link: 100e9 / 8, latency: null })
  t.equal(fast.link.bytesPerSecond, 1e9, 'no more than a socket here takes')
  t.match(planText(fast), 'a line of 12.5 GB/s, of which payload gets 94 %; reckoned with: 1 GB/s, the slower of line and socket')
})

t.test('where another reducer than that of auto is much faster, it is named', async (t) => {
  const { job } = await jobFolder(t)
  const found = planOf(job, step, { bytesPerSecond: 1e8, latencyMs: 0.1 }, { workers: 8, link: null, latency: null })
  t.equal(found.auto.reducer, 'central')
  t.equal(found.best?.reducer, 'sharded')
  t.match(planText(found), /Pass --reducer sharded for that, where workers reach each other .*: with `auto`, 1\.\d\d× at best\.\n$/)
  t.notMatch(
    planText(planOf(job, step, socket, { workers: 2, link: null, latency: null })),
    /Pass --reducer/,
    'a few percent are no reason',
  )
})

t.test('more workers than micro-batches gain nothing', async (t) => {
  const { job } = await jobFolder(t)
  const { rows } = planOf(job, step, socket, { workers: 16, link: null, latency: null })
  const speedup = (workers: number) => rows.find((row) => row.workers === workers && row.reducer === 'sharded')?.speedup ?? 0
  t.ok(speedup(16) <= speedup(8) * 1.01)
  t.ok(speedup(7) < speedup(8) * 0.6, 'seven workers: one of them has two of eight micro-batches')
})

t.test('the table', async (t) => {
  const { job } = await jobFolder(t)
  const text = planText(planOf(job, step, socket, { workers: 2, link: null, latency: null }))
  t.equal(
    text,
    `tiny: siss, 1000000 parameters, 2 channels, 8 micro-batches a step, wire f32

measured   800 ms a step on one worker: 8 × 100 ms, the median of 5 (onnx 1.2.3, 1 thread)
measured   1 GB/s through one bulk socket on this machine, 0.1 ms one way
assumed    a network as fast as that socket: give the real one with --link
assumed    a machine like this one, and not busier, for each worker

workers   reducer   speed-up     step   a worker sends   receives   busiest point in    out
───────   ───────   ────────   ──────   ──────────────   ────────   ────────────────   ────
      1   central      0.98×   812 ms             8 MB       4 MB               8 MB   4 MB
      1   sharded      1.00×   801 ms              0 B        0 B                0 B    0 B
      2   central      1.89×   424 ms             8 MB       4 MB              16 MB   8 MB
      2   sharded      1.97×   407 ms             6 MB       6 MB               6 MB   6 MB

The reducer that \`auto\` takes: central (1 M parameters: up to 100 M the coordinator reduces, which is simplest).
Fastest: 2 workers, sharded: a step 1.97× as fast. (2 whole jobs side by side do 2× the work.)
`,
  )
  t.same([0, 999, 1000, 12_345_678, 3.44e9, 5e15].map(size), ['0 B', '999 B', '1 kB', '12.3 MB', '3.44 GB', '5000 TB'])
  t.same([0.083, 640.4, 3840].map(time), ['0.083 ms', '640 ms', '3.84 s'])
})

t.test('the command measures a real session and a real socket', async (t) => {
  const { cwd } = await jobFolder(t)
  const run = await lethe(['plan', 'job.yaml', '--workers', '2', '--json'], { cwd })
  t.equal(run.status, 0, run.stderr)
  const found: Plan = JSON.parse(run.stdout)
  t.match(found, { job: 'tiny', method: 'siss', channels: 2, microBatches: 5, wire: 'f32' })
  t.equal(found.rows.length, 4)
  t.ok(found.measured.microBatchMs > 0 && found.measured.timed >= 3)
  t.ok(
    found.measured.socketBytesPerSecond > 20e6 && found.measured.socketBytesPerSecond < 50e9,
    `${found.measured.socketBytesPerSecond} B/s`,
  )
  t.ok(found.measured.socketLatencyMs > 0 && found.measured.socketLatencyMs < 50)
  t.equal(found.measured.stepMs, found.measured.microBatchMs * 5)

  const table = await lethe(['plan', 'job.yaml', '--workers', '2', '--link', '10Mb/s', '--latency', '40'], { cwd })
  t.equal(table.status, 0, table.stderr)
  t.match(table.stdout, 'given      a line of 1.25 MB/s')
})

t.test('what it refuses', async (t) => {
  const { cwd, job } = await jobFolder(t)
  const { training: _training, method: _method, ...rest } = job
  writeFileSync(join(cwd, 'evaluate.yaml'), JSON.stringify({ ...rest, kind: 'evaluate' }))
  t.match(await lethe(['plan', 'evaluate.yaml'], { cwd }), { status: 2, stderr: /an evaluate job has no steps/ })
  for (const [option, value] of [
    ['--link', '10'],
    ['--link', '0Gb/s'],
    ['--link', '10 parsecs'],
    ['--latency', '-1'],
    ['--workers', '0'],
  ])
    t.match(await lethe(['plan', 'job.yaml', option, value], { cwd }), { status: 2, stderr: /USAGE/ }, `${option} ${value}`)
})
