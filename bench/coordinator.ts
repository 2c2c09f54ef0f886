import { mkdtempSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Control } from '../coordinator/control.ts'
import { emptyHistory, type Journal } from '../coordinator/journal/journal.ts'
import { silentLog } from '../coordinator/run/events.ts'
import { Run } from '../coordinator/run/run.ts'
import { RunFolder } from '../coordinator/storage/folder.ts'
import { Admission } from '../protocol/admission.ts'
import { sha256 } from '../protocol/digest.ts'
import { LetheError } from '../protocol/errors.ts'
import { jobSchema } from '../protocol/job.ts'
import type { SessionSummary } from '../protocol/messages.ts'
import { Crowd, type CrowdOptions, cpuMs } from './crowd.ts'

/*
 * What a step costs the coordinator with many workers: the processor time of its own code from one commit to the next, with everything
 * that it does for a step: packets and frames are parsed, heartbeats counted, small gradients added, the next step decided and planned.
 * Workers are in the same process, answer at once, and are taken off. The journal is in memory.
 *
 *   npm run bench:coordinator -- --workers 10,100,1000 --steps 300 --reducer central
 */

const { values: options } = parseArgs({
  options: {
    workers: { type: 'string', default: '10,100,1000' },
    steps: { type: 'string', default: '300' },
    reducer: { type: 'string', default: 'central' },
  },
})
const counts = options.workers.split(',').map(Number)
const steps = Number(options.steps)
const reducer = options.reducer === 'sharded' ? 'sharded' : 'central'
if (![...counts, steps].every((count) => Number.isInteger(count) && count > 0) || options.reducer !== reducer) {
  console.error('--workers takes whole numbers with commas between, --steps one, --reducer central or sharded')
  process.exit(2)
}

const warmUpSteps = 8
const microBatches = 1024
const cluster = 'bench'
const token = 'a token of the benchmark'
const runId = sha256(Buffer.from('bench'))
const hex = (text: string) => sha256(Buffer.from(text))

const job = jobSchema.parse({
  kind: 'train',
  name: 'bench',
  model: { config: 'config.json' },
  data: { sources: [{ type: 'mnist' }] },
  training: { steps: 1_000_000, batchSize: microBatches, microBatchSize: 1, checkpointEvery: 1_000_000, optimizer: { name: 'adamw' } },
})

function summaryOf(workers: number): SessionSummary {
  const facts = {
    manifestDigest: hex('data'),
    forgetDigest: hex('forget'),
    items: 1,
    forgetItems: 0,
    imageShape: [8, 8, 1] as [number, number, number],
    engine: 'none',
  }
  // A slice for everyone; nobody has the parameters.
  return { parameterCount: reducer === 'sharded' ? workers * 2 ** 16 : 256, channels: ['keep'], microBatches, ...facts }
}

interface Measured {
  workers: number
  coordinatorMs: { p50: number; p99: number; mean: number }
  rssMiB: number
}

async function measure(workers: number): Promise<Measured> {
  const path = mkdtempSync(join(tmpdir(), 'lethe-bench-'))
  const times: number[] = []
  let onStep = () => {}
  const journal: Journal = {
    append: async (event) => {
      if (event.type === 'committed') onStep()
    },
    read: () => [],
    close: async () => {},
  }
  const epoch = 1
  let run: Run | null = null
  const joinBulk: CrowdOptions['joinBulk'] = (socket, memberKey) => run?.joinBulk(socket, memberKey, true) ?? false
  const crowd = new Crowd({ cluster, runId, epoch, token, workers, summary: summaryOf(workers), joinBulk })
  const admission = new Admission({ issuer: null, secret: token, admitted: [] })
  const control = new Control({ bus: crowd.bus, cluster, runId, epoch, admission, leads: () => true, log: silentLog })
  run = new Run({
    job,
    written: job,
    jobDigest: hex('job'),
    files: [],
    parentSha256: hex('parent'),
    folder: new RunFolder(path),
    journal,
    history: emptyHistory(),
    runId,
    settings: { expectedWorkers: workers, reducer, auditEvery: 0, epoch },
    meshKey: hex('mesh'),
    leads: () => true,
    publish: (address, packet) => control.publish(address, packet),
    log: silentLog,
    onEvent: () => {},
  })
  const failed = run.result.then(() => {})
  const enough = new Promise<void>((resolve) => {
    let last = { cpuMs: cpuMs(), ownMs: 0 }
    onStep = () => {
      const now = { cpuMs: cpuMs(), ownMs: crowd.ownMs }
      times.push(now.cpuMs - last.cpuMs - (now.ownMs - last.ownMs))
      last = now
      if (times.length === warmUpSteps + steps) resolve()
    }
  })
  await control.listen(run)
  await crowd.join()
  await Promise.race([enough, failed])
  const rssMiB = process.memoryUsage.rss() / 2 ** 20
  run.fail(new LetheError('INTERRUPTED', { message: 'measured' }))
  await failed.catch(() => {})
  crowd.leave()
  await run.part()
  rmSync(path, { recursive: true, force: true })
  const sorted = times.slice(warmUpSteps).sort((a, b) => a - b)
  const quantile = (share: number) => round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))])
  const mean = round(sorted.reduce((sum, ms) => sum + ms, 0) / sorted.length)
  return { workers, coordinatorMs: { p50: quantile(0.5), p99: quantile(0.99), mean }, rssMiB: Math.round(rssMiB) }
}

const round = (value: number) => Math.round(1000 * value) / 1000

const measured: Measured[] = []
for (const workers of counts) measured.push(await measure(workers))
/** Exponent of the growth from one number of workers to the next: 1 is linear. */
const growth = measured.slice(1).map((now, i) => {
  const before = measured[i]
  const exponent = Math.log(now.coordinatorMs.p50 / before.coordinatorMs.p50) / Math.log(now.workers / before.workers)
  return { from: before.workers, to: now.workers, exponent: round(exponent) }
})
const largest = measured.reduce((most, one) => (one.workers > most.workers ? one : most))
const targets = { p99Ms: 50, rssMiB: 1024 }
const isMet = largest.coordinatorMs.p99 < targets.p99Ms && largest.rssMiB < targets.rssMiB
const [{ model }] = cpus()
console.log(
  JSON.stringify(
    { bench: 'coordinator', reducer, microBatches, steps, node: process.versions.node, cpu: model, measured, growth, targets, isMet },
    null,
    2,
  ),
)
