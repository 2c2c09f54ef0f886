import { type ChildProcess, fork } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type CoordinatorEvent, type CoordinatorOptions, startCoordinator } from '../../coordinator/main.ts'
import { createIdentity } from '../../protocol/identity.ts'
import type { Job } from '../../protocol/job.ts'
import { runWorker } from '../../worker/main.ts'
import { freePorts } from '../support/nats.ts'
import { toyJob } from '../support/toy-run.ts'
import { toyOpener } from '../support/toy-session.ts'
import type { Vitals } from './vitals.ts'

export const token = 'a token that no fuzzer guesses'

type Told = CoordinatorEvent | { type: 'finished'; sha256: string; steps: number } | { type: 'failed'; reason: string } | Vitals

/** A process that is attacked. It does not outlive this one. */
export class Subject {
  readonly name: string
  readonly told: Told[] = []
  readonly #child: ChildProcess
  #stderr = ''

  constructor(name: string, file: 'coordinator.ts' | 'worker.ts', options: object) {
    this.name = name
    const path = fileURLToPath(new URL(file, import.meta.url))
    this.#child = fork(path, [JSON.stringify(options)], { execArgv: ['--import', 'tsx', '--expose-gc'], silent: true })
    this.#child.stderr?.on('data', (text) => {
      this.#stderr = (this.#stderr + text).slice(-4000)
    })
    this.#child.stdout?.resume()
    this.#child.on('message', (message: Told) => this.told.push(message))
  }

  /** Null while it lives, else how it ended. */
  get ending(): string | null {
    const { exitCode, signalCode } = this.#child
    return exitCode === null && signalCode === null ? null : `${this.name} ended with ${exitCode ?? signalCode}: ${this.#stderr}`
  }

  /** The first thing that it tells which fits; also what it told before. @throws Error where it ends, or takes too long. */
  async hear<One extends Told>(fits: (told: Told) => told is One, timeoutMs = 60_000): Promise<One> {
    const deadline = performance.now() + timeoutMs
    for (;;) {
      const one = this.told.find(fits)
      if (one) return one
      if (this.ending !== null) throw new Error(this.ending)
      if (performance.now() > deadline)
        throw new Error(`${this.name} said nothing for ${timeoutMs} ms: ${JSON.stringify(this.told.at(-1))}`)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }

  say(message: 'finish'): void {
    this.#child.send(message)
  }

  /** @throws Error where its event loop does not come to it. */
  vitals(timeoutMs = 10_000): Promise<Vitals> {
    if (this.ending !== null) return Promise.reject(new Error(this.ending))
    return new Promise((resolve, reject) => {
      const patience = setTimeout(() => reject(new Error(`${this.name} does not answer for ${timeoutMs} ms`)), timeoutMs)
      const listen = (message: object) => {
        if (!('heapBytes' in message)) return
        clearTimeout(patience)
        this.#child.off('message', listen)
        resolve(message as Vitals)
      }
      this.#child.on('message', listen)
      this.#child.send('vitals', (error) => error && reject(error))
    })
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }
}

const is =
  <Type extends Told extends infer One ? (One extends { type: infer Name } ? Name : never) : never>(type: Type) =>
  (told: Told): told is Extract<Told, { type: Type }> =>
    'type' in told && told.type === type

export interface Target {
  coordinator: Subject
  workers: Subject[]
  /** Of the coordinator's sockets. */
  url: string
  port: number
  /** Of the workers' sockets for each other, where they have any. */
  meshPorts: readonly number[]
  /** Lets the run come to its end. @returns the hash of its checkpoint. */
  finish(): Promise<string>
  close(): void
}

export interface TargetOptions {
  folder: string
  job: Job & { training: { steps: number } }
  /** NATS; the coordinator's own where none is given. */
  bus?: CoordinatorOptions['bus']
  reducer: 'central' | 'sharded'
  workers: number
  /** How long the run should take before the attack is over. */
  seconds: number
}

/** A run in processes of their own, that has begun to train and does not end before `finish`. */
export async function startTarget({ folder, job, bus, reducer, workers, seconds }: TargetOptions): Promise<Target> {
  const out = join(folder, 'run')
  const coordinator = new Subject('coordinator', 'coordinator.ts', { job, out, bus, reducer, token, expectedWorkers: workers })
  const subjects = [coordinator]
  const close = () => {
    for (const subject of subjects) subject.kill()
  }
  try {
    const { url } = await coordinator.hear(is('listening'))
    const pace = { steps: job.training.steps, stepMs: (1000 * seconds) / job.training.steps }
    const options = { bus: bus?.url ?? url, cluster: bus?.cluster, token, pace }
    const meshPorts = await freePorts(workers)
    for (const [i, meshPort] of meshPorts.entries())
      subjects.push(new Subject(`worker ${i + 1}`, 'worker.ts', { ...options, mesh: { host: '127.0.0.1', port: meshPort } }))
    await coordinator.hear(
      (told): told is Extract<CoordinatorEvent, { type: 'progress' }> => is('progress')(told) && told.phase === 'train',
    )
    return {
      coordinator,
      workers: subjects.slice(1),
      url,
      port: Number(new URL(url).port),
      meshPorts,
      finish: async () => {
        for (const subject of subjects.slice(1)) subject.say('finish')
        return (await coordinator.hear(is('finished'), 120_000)).sha256
      },
      close,
    }
  } catch (error) {
    close()
    throw error
  }
}

/** A small job, and the hash that it has when nobody disturbs it. */
export async function referenceRun(folder: string): Promise<{ job: TargetOptions['job']; sha256: string }> {
  mkdirSync(join(folder, 'model'))
  const job = toyJob(join(folder, 'model'), { steps: 30, checkpointEvery: 10 })
  const { bus, result } = await startCoordinator({ job, out: join(folder, 'reference'), token })
  const [{ checkpoint }] = await Promise.all([result, runWorker({ bus, token, identity: createIdentity(), openSession: toyOpener() })])
  return { job, sha256: checkpoint.sha256 }
}
