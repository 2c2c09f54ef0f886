import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { filesDigest } from '../../protocol/digest.ts'
import { type RunReport, runReport } from '../../protocol/report.ts'
import { Cluster, type ClusterOptions, type Coordinator, type Worker } from './cluster.ts'
import type { ClusterEvent } from './events.ts'
import { inject } from './inject.ts'
import { type Cost, costs, type Injected, isCommit, quietStepsMs, stepsRepeated } from './measure.ts'
import type { Fault } from './schedule.ts'

export interface RoundOptions extends ClusterOptions {
  workers: number
  reducer: 'central' | 'sharded'
  /** sha256 of the checkpoint that it must end in. */
  expected: string
  /** The next fault; null when there shall be no more. */
  nextFault(): Fault | null
  /** Every fault waits until all that should be there are: what is measured then is that fault alone. */
  waitsForAll: boolean
  say(text: string): void
}

export interface RoundResult {
  reducer: 'central' | 'sharded'
  sha256: string | null
  /** What must not happen; empty where all went well. */
  problems: string[]
  costs: Cost[]
  stepsRepeated: number
  /** Of one step without faults. */
  stepsMs: number[]
  seconds: number
}

/** The first commit needs all processes to start, and the network to be compiled in each. */
const firstStepMs = 120_000
const stepMs = 60_000
const passMs = 30_000
/** Workers may hear of the end of the run before its coordinator has ended. */
const earlyMs = 10_000
/** After the end of the run every process has to end by itself. */
const partMs = 30_000
const tellMs = 10_000

/** One run under faults, to its end. */
export async function round(options: RoundOptions): Promise<RoundResult> {
  const startedAt = performance.now()
  const cluster = await Cluster.start(options)
  const faults: Injected[] = []
  const watch = new Watch(cluster)
  const telling = setInterval(() => options.say(`step ${watch.done}, ${cluster.members} workers`), tellMs)
  try {
    cluster.addCoordinator()
    await cluster.tail.find(({ type }) => type === 'leading', watch.over)
    cluster.addCoordinator()
    for (let worker = 0; worker < options.workers; worker++) cluster.addWorker()
    await cluster.tail.find(isCommit, watch.over)
    const passing = await injectAll(cluster, watch, faults, options)
    await watch.over
    const passed = Promise.all(passing).catch((error) => watch.blame(String(error)))
    for (const one of [...cluster.coordinators, ...cluster.workers]) if (one.isAlive) one.signal('SIGCONT')
    await Promise.race([passed, sleep(partMs)])
    if (watch.report) await checkEnd(cluster, watch, options.expected)
  } finally {
    clearInterval(telling)
    watch.close()
    await cluster.close()
  }
  const costed = costs(faults, cluster.events)
  return {
    reducer: options.reducer,
    sha256: watch.report?.checkpoint.sha256 ?? null,
    problems: watch.problems,
    costs: costed,
    stepsRepeated: stepsRepeated(cluster.events),
    stepsMs: quietStepsMs(costed, cluster.events),
    seconds: (performance.now() - startedAt) / 1000,
  }
}

async function injectAll(cluster: Cluster, watch: Watch, faults: Injected[], options: RoundOptions): Promise<Promise<void>[]> {
  const passing: Promise<void>[] = []
  for (let fault = options.nextFault(); fault && !watch.isOver; fault = options.nextFault()) {
    if (options.waitsForAll) await watch.until(() => cluster.hasStandby && cluster.members >= options.workers)
    await Promise.race([sleep(fault.gapMs), watch.over])
    if (watch.isOver) break
    const { text, record, passed } = inject(cluster, fault)
    if (text === null) continue
    faults.push(record)
    options.say(`step ${watch.done}: ${text}`)
    passing.push(passed)
    const inTime = overInTime(watch, passed, text)
    if (fault.overlaps) continue
    await inTime
    const commits = watch.commits
    await watch.until(() => watch.commits > commits)
  }
  return passing
}

/** Waits until a fault has passed, or the round is over. */
async function overInTime(watch: Watch, passed: Promise<void>, text: string): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(() => {
      watch.blame(`${text}: not over after ${passMs} ms`)
      resolve()
    }, passMs)
  })
  await Promise.race([passed, watch.over, late]).finally(() => clearTimeout(timer))
}

/** Sees to it that a round comes to an end: the run's own, or that nothing happens any more. */
class Watch {
  readonly problems: string[] = []
  report: RunReport | null = null
  done = 0
  commits = 0
  isOver = false
  readonly over: Promise<void>
  readonly #cluster: Cluster
  readonly #timer: NodeJS.Timeout
  readonly #known = new Set<Coordinator | Worker>()
  #lastAt = performance.now()
  #end: () => void = () => {}

  constructor(cluster: Cluster) {
    this.#cluster = cluster
    this.over = new Promise((resolve) => {
      this.#end = () => {
        this.isOver = true
        resolve()
      }
    })
    cluster.tail.listen((event) => this.#onEvent(event))
    this.#timer = setInterval(() => this.#look(), 100)
  }

  blame(problem: string): void {
    this.problems.push(problem)
  }

  close(): void {
    clearInterval(this.#timer)
    this.#end()
  }

  /** Resolves when it is so, or the round is over. */
  async until(isSo: () => boolean): Promise<void> {
    while (!this.isOver && !isSo()) await sleep(50)
  }

  #onEvent(event: ClusterEvent): void {
    if (event.type === 'planned') this.#lastAt = performance.now()
    if (!isCommit(event)) return
    this.#lastAt = performance.now()
    this.commits += 1
    this.done = Math.max(this.done, event.done)
  }

  #look(): void {
    for (const one of [...this.#cluster.coordinators, ...this.#cluster.workers]) {
      if (this.#known.has(one)) continue
      this.#known.add(one)
      void one.ended.then(({ status, signal }) => this.#onEnded(one, status, signal))
    }
    const silentMs = performance.now() - this.#lastAt
    if (this.isOver || silentMs < (this.commits === 0 ? firstStepMs : stepMs)) return
    this.blame(`no step for ${Math.round(silentMs / 1000)} s, at step ${this.done}`)
    this.#end()
  }

  #onEnded(one: Coordinator | Worker, status: number | null, signal: string | null): void {
    const isWorker = 'names' in one
    if (signal === 'SIGKILL' || (isWorker && this.isOver && one.names.length === 0)) return
    const said =
      one
        .stderr()
        .trimEnd()
        .split('\n')
        .findLast((line) => line.startsWith('error ')) ?? ''
    // A leader that was paused for too long finds another one in its place.
    if (!isWorker && said.startsWith('error RUN_DEPOSED')) {
      if (!this.isOver) this.#cluster.addCoordinator()
      return
    }
    if (status !== 0) this.blame(`${isWorker ? 'worker' : 'coordinator'} ${one.number} ended with ${signal ?? status}: ${said}`)
    if (isWorker) {
      if (status === 0 && !one.isLeaving) setTimeout(() => this.#onEarlyEnd(one), earlyMs).unref()
      else if (status !== 0 && !this.isOver) this.#cluster.addWorker()
    } else if (status === 0) {
      this.report ??= runReport.parse(JSON.parse(one.stdout()))
      this.#end()
    } else if (!this.isOver) this.#cluster.addCoordinator()
  }

  #onEarlyEnd(worker: Worker): void {
    if (this.isOver) return
    this.blame(`worker ${worker.number} ended, though nobody asked it to: ${worker.stderr().trimEnd().split('\n').at(-1)}`)
    this.#cluster.addWorker()
  }
}

/** All say the same, the checkpoint is on disk, and everyone ends. */
async function checkEnd(cluster: Cluster, watch: Watch, expected: string): Promise<void> {
  const report = watch.report as RunReport
  const { path, sha256 } = report.checkpoint
  if (sha256 !== expected) watch.blame(`the checkpoint is ${sha256}, not ${expected}`)
  const onDisk = filesDigest(readdirSync(path).map((name) => ({ path: name, bytes: readFileSync(join(path, name)) })))
  if (onDisk !== sha256) watch.blame(`the checkpoint on disk is ${onDisk}, the report says ${sha256}`)
  if (report.faults.length > 0) watch.blame(`workers are named that did nothing wrong: ${JSON.stringify(report.faults)}`)
  // One that came after the end waits for another run.
  for (const worker of cluster.workers) if (worker.isAlive && worker.names.length === 0) worker.signal('SIGTERM')
  const all = [...cluster.coordinators, ...cluster.workers]
  await Promise.race([Promise.all(all.map(({ ended }) => ended)), sleep(partMs)])
  for (const one of all.filter(({ isAlive }) => isAlive))
    watch.blame(`${'names' in one ? 'worker' : 'coordinator'} ${one.number} does not end after the run`)
  for (const { stdout, isAlive, number } of cluster.coordinators) {
    if (isAlive || stdout() === '') continue
    const said = runReport.parse(JSON.parse(stdout())).checkpoint.sha256
    if (said !== sha256) watch.blame(`coordinator ${number} says that the checkpoint is ${said}`)
  }
}
