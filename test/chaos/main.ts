import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Command, Option } from 'commander'
import { wholeNumber } from '../../cli/options.ts'
import { duration } from '../../cli/terminal.ts'
import { runReport } from '../../protocol/report.ts'
import { lethePath } from '../cli/command.ts'
import { Processes } from './processes.ts'
import { type RoundResult, round } from './round.ts'
import { auditEveryOf, type Fault, type FaultKind, faultOf, loneFaultOf, workersOf } from './schedule.ts'
import { isMeasured, summarise, summaryText } from './summary.ts'

/*
 * Breaks a real cluster again and again, and compares what comes out with what one undisturbed worker gets.
 *
 *   npm run chaos -- --minutes 10 --seed 7
 *   npm run chaos -- --recovery 20          only kills, one at a time: how long until it is noticed, and until the next step
 */

const root = fileURLToPath(new URL('../..', import.meta.url))

interface Options {
  minutes: number
  seed: string
  reducer: 'central' | 'sharded' | 'both'
  job: string
  steps?: number
  set: string[]
  recovery?: number
  json?: string
  keep?: boolean
}

const options = new Command('chaos')
  .description('Kill, stop and restart everything of a cluster at random; the checkpoint must not change by a bit.')
  .option('--minutes <n>', 'for so long new rounds begin', wholeNumber(1, 10_000), 10)
  .option('--seed <text>', 'what is done when follows from it', `${Date.now() % 1_000_000}`)
  .addOption(new Option('--reducer <where>', 'where gradients are added').choices(['central', 'sharded', 'both']).default('both'))
  .option('--job <file>', 'what is computed; measurements are left out', join(root, 'examples/quickstart.yaml'))
  .option('--steps <n>', 'instead of the steps of the job', wholeNumber(1, 1e6))
  .addOption(
    new Option('--set <key=value>', 'change a value of the job').default([], 'none').argParser((one, all: string[]) => [...all, one]),
  )
  .option('--recovery <n>', 'only kill workers and leaders, each so many times, one after another', wholeNumber(1, 1000))
  .option('--json <file>', 'write all figures there')
  .option('--keep', 'keep the folders of all rounds, not only of those that went wrong')
  .parse()
  .opts<Options>()

const startedAt = performance.now()
const processes = new Processes()
const folder = mkdtempSync(join(tmpdir(), 'lethe-chaos-'))
const rounds: RoundResult[] = []
const job = [
  options.job,
  '--no-evaluate',
  ...options.set.flatMap((one) => ['--set', one]),
  ...(options.steps === undefined ? [] : ['--steps', `${options.steps}`]),
]
let isInterrupted = false

for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, async () => {
    isInterrupted = true
    await processes.close()
    finish()
    process.exit(130)
  })

function say(text: string): void {
  process.stdout.write(`${((performance.now() - startedAt) / 1000).toFixed(1).padStart(7)} s  ${text}\n`)
}

/** The checkpoint that every round must end in; null where there is none. */
async function reference(): Promise<string | null> {
  say('the reference: 1 worker, its own bus, no faults')
  const out = join(folder, 'reference')
  mkdirSync(out)
  const log = join(folder, 'reference.log')
  const [file, ...rest] = job
  const args = [lethePath, 'run', file, ...rest, '--workers', '1', '--out', out, '--json']
  const run = processes.start(args, { log })
  const { status } = await run.ended
  if (status !== 0) {
    process.stderr.write(`the reference failed:\n${run.stderr()}`)
    return null
  }
  const { checkpoint, steps } = runReport.parse(JSON.parse(run.stdout()))
  say(`${steps} steps, checkpoint ${checkpoint.sha256}`)
  return checkpoint.sha256
}

/** Of --recovery: deaths that close sockets, deaths that only heartbeats tell, and those of leaders. */
const recoveryKinds = ['worker killed', 'worker paused', 'leader killed'] as const
const recoveryPauseMs = 4000

const measured = (kind: FaultKind) => rounds.flatMap(({ costs }) => costs).filter((cost) => cost.kind === kind && isMeasured(cost)).length

const isOver = () =>
  options.recovery === undefined
    ? performance.now() - startedAt > options.minutes * 60_000
    : Math.min(...recoveryKinds.map(measured)) >= options.recovery

function leftText(): string {
  if (options.recovery !== undefined)
    return `measured so far: ${recoveryKinds.map((kind) => `${kind} ${measured(kind)}`).join(', ')}, of ${options.recovery} each`
  return `${duration(Math.max(0, options.minutes * 60 - (performance.now() - startedAt) / 1000))} left`
}

/** Faults of a round, one after another. */
function faultsOf(number: number): () => Fault | null {
  const { seed, recovery } = options
  let index = 0
  if (recovery === undefined) return () => (isOver() ? null : faultOf(seed, number, index++))
  const missing = new Map(recoveryKinds.map((kind) => [kind, recovery - measured(kind)]))
  return () => {
    const wanted = recoveryKinds.filter((kind) => (missing.get(kind) ?? 0) > 0)
    if (wanted.length === 0) return null
    const kind = wanted[index % wanted.length]
    missing.set(kind, (missing.get(kind) ?? 0) - 1)
    return loneFaultOf(seed, number, index++, kind, kind === 'worker paused' ? recoveryPauseMs : 0)
  }
}

function finish(): void {
  const summary = summarise(rounds)
  process.stdout.write(`\n${summaryText(summary)}\n`)
  for (const problem of summary.problems) process.stdout.write(`PROBLEM ${problem}\n`)
  const replay = `seed ${options.seed}`
  if (summary.problems.length > 0) process.stdout.write(`replay with --seed ${options.seed}; logs are in ${folder}\n`)
  else if (!isInterrupted) process.stdout.write(`every round ended in the checkpoint of the undisturbed run (${replay})\n`)
  if (options.json) writeFileSync(options.json, `${JSON.stringify({ ...options, summary, rounds }, null, 2)}\n`)
  if (summary.problems.length === 0 && !options.keep) rmSync(folder, { recursive: true, force: true })
  process.exitCode = summary.problems.length > 0 ? 1 : 0
}

say(`seed ${options.seed}`)
const expected = await reference()
while (expected !== null && !isOver() && !isInterrupted) {
  const number = rounds.length + 1
  const reducer = options.reducer === 'both' ? (['central', 'sharded'] as const)[rounds.length % 2] : options.reducer
  const workers = options.recovery === undefined ? workersOf(options.seed, number) : 3
  const into = join(folder, `round-${number}`)
  const auditEvery = options.recovery === undefined ? auditEveryOf(options.seed, number) : 0
  say(`round ${number}: ${reducer}, ${workers} workers${auditEvery ? `, every step in ${auditEvery} audited` : ''}; ${leftText()}`)
  const result = await round({
    processes,
    folder: into,
    job: [...job, '--reducer', reducer, '--audit-every', `${auditEvery}`],
    expectedWorkers: workers,
    workers,
    reducer,
    expected,
    nextFault: faultsOf(number),
    waitsForAll: options.recovery !== undefined,
    say: (text) => say(`  ${text}`),
  })
  rounds.push(result)
  const { costs, problems, seconds } = result
  say(
    `round ${number} ended after ${duration(seconds)}, ${costs.length} faults: ${problems.length === 0 ? 'the same checkpoint' : problems.join('; ')}`,
  )
  if (problems.length === 0 && !options.keep) rmSync(into, { recursive: true, force: true })
}
if (!isInterrupted) {
  if (expected !== null) finish()
  else process.exitCode = 1
  await processes.close()
}
