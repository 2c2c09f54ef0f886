import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { readJob } from '../cli/options.ts'
import { median } from '../protocol/median.ts'
import { runReport } from '../protocol/report.ts'
import { commonRates, type Mark, rateOf } from './marks.ts'

/*
 * What does it cost to share one step? Samples per second of one run with two one-thread workers, over those of two runs with one worker
 * each, side by side on the same two cores: the ceiling, as they share memory and clock but wait for nobody. Every run is the command as
 * a user types it, with its own coordinator. Rounds alternate, so that a machine that slows down slows down both.
 *
 *   npm run bench:scaling -- --json --rounds 3
 *   npm run bench:scaling -- -- --bus nats://127.0.0.1:4222      options after the second -- go to `lethe run`
 */

const { values: options, positionals: runOptions } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    steps: { type: 'string', default: '40' },
    'warm-up': { type: 'string', default: '8' },
    rounds: { type: 'string', default: '3' },
  },
})
const counts = [options.steps, options['warm-up'], options.rounds].map(Number)
if (!counts.every((count) => Number.isInteger(count) && count > 0) || counts[1] * 2 > counts[0]) {
  console.error('--steps, --warm-up and --rounds take positive whole numbers; the warm-up is at most half of the steps')
  process.exit(2)
}
const [steps, warmUpSteps, rounds] = counts
const target = 0.92

const root = fileURLToPath(new URL('..', import.meta.url))
const jobFile = join(root, 'examples/quickstart.yaml')
const { job } = readJob(jobFile, { set: [], evaluate: false })
if (job.kind === 'evaluate') throw new Error('the quickstart has no steps')
const samplesPerStep = job.training.batchSize

/** All on two cores, however many there are. */
const pinned = availableParallelism() > 2 ? ['taskset', '-c', '0,1'] : []

interface Run {
  marks: Mark[]
  sha256: string
}

/** One `lethe run`, watched through what it prints: a line every tenth of the way, right after the step that it names. */
async function run(workers: number): Promise<Run> {
  const out = mkdtempSync(join(tmpdir(), 'lethe-scaling-'))
  try {
    const args = ['run', jobFile, '--no-evaluate', '--steps', String(steps), '--workers', String(workers), '--out', out, '--json']
    const command = [...pinned, process.execPath, join(root, 'cli/lethe.js'), ...args, ...runOptions]
    const child = spawn(command[0], command.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] })
    const ended = new Promise<number | null>((resolve, reject) => child.once('error', reject).once('close', resolve))
    const marks: Mark[] = []
    const said: string[] = []
    createInterface(child.stderr).on('line', (line) => {
      const step = /\bsteps (\d+)\/\d+/.exec(line)?.[1]
      if (step) marks.push({ at: performance.now(), step: Number(step) })
      said.push(line)
    })
    let text = ''
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
    })
    const status = await ended
    if (status !== 0) throw new Error(`lethe run ended with ${status}:\n${said.slice(-10).join('\n')}`)
    return { marks, sha256: runReport.parse(JSON.parse(text)).checkpoint.sha256 }
  } finally {
    rmSync(out, { recursive: true, force: true })
  }
}

const samples = (stepsPerSecond: number) => Math.round(100 * samplesPerStep * stepsPerSecond) / 100
const measured = []
const digests = new Set<string>()
for (let round = 1; round <= rounds; round++) {
  const parallel = await run(2)
  const independent = await Promise.all([run(1), run(1)])
  const alone = await run(1)
  for (const { sha256 } of [parallel, ...independent, alone]) digests.add(sha256)
  const one = {
    parallel: samples(rateOf(parallel.marks, warmUpSteps)),
    independent: commonRates(
      independent.map(({ marks }) => marks),
      warmUpSteps,
    ).map(samples),
    alone: samples(rateOf(alone.marks, warmUpSteps)),
  }
  measured.push(one)
  console.error(
    `round ${round} of ${rounds}, samples/s: together ${one.parallel}, independent ${one.independent.join(' + ')}, alone ${one.alone}`,
  )
}
if (digests.size !== 1) throw new Error(`runs of one job gave ${digests.size} checkpoints: ${[...digests].join(', ')}`)

const both = ({ independent }: { independent: number[] }) => independent[0] + independent[1]
const hundredths = (value: number) => Math.round(1000 * value) / 1000
const ratio = median(measured.map((one) => one.parallel / both(one)))
const result = {
  benchmark: 'scaling',
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: Math.min(2, availableParallelism()),
  job: job.name,
  method: job.method.name,
  runOptions,
  steps,
  warmUpSteps,
  unit: 'samples per second',
  rounds: measured,
  /** Two workers in one run over two runs side by side: medians over the rounds. */
  ratio: hundredths(ratio),
  target,
  reached: ratio >= target,
  /** The ceiling itself: two runs side by side over one alone. */
  ceiling: hundredths(median(measured.map((one) => both(one) / one.alone))),
  checkpointSha256: [...digests][0],
}
if (options.json) console.log(JSON.stringify(result))
else
  for (const [name, value] of Object.entries(result))
    console.log(`${name.padEnd(18)}${typeof value === 'object' ? JSON.stringify(value) : value}`)
