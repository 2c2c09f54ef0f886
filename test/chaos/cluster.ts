import { randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { lethePath } from '../cli/command.ts'
import { type NatsServer, startNats } from '../support/nats.ts'
import { type ClusterEvent, EventTail } from './events.ts'
import type { Processes, Started } from './processes.ts'

export interface ClusterOptions {
  processes: Processes
  /** Gets run folders, logs and event files. */
  folder: string
  cwd?: string
  /** The job file, and options of `lethe coordinator` beside those about the cluster. */
  job: readonly string[]
  /** Workers that a leader waits for. */
  expectedWorkers: number
}

export interface Coordinator extends Started {
  readonly number: number
  readonly out: string
}

export interface Worker extends Started {
  readonly number: number
  /** As leaders called it, the newest last. */
  readonly names: string[]
  /** It was asked to leave. */
  isLeaving: boolean
}

const cluster = 'chaos'

/** A real nats-server, coordinators and workers, each a process of the real command; they end with `close`. */
export class Cluster {
  readonly nats: NatsServer
  readonly tail = new EventTail()
  readonly coordinators: Coordinator[] = []
  readonly workers: Worker[] = []
  /** nats-server is down or stopped; whoever did that ends it. */
  isNatsDisturbed = false
  readonly #options: ClusterOptions
  readonly #token = randomBytes(24).toString('base64url')
  readonly #undo: (() => unknown)[]

  private constructor(options: ClusterOptions, nats: NatsServer, undo: (() => unknown)[]) {
    this.#options = options
    this.nats = nats
    this.#undo = undo
    options.processes.guard(nats.pid)
  }

  static async start(options: ClusterOptions): Promise<Cluster> {
    mkdirSync(options.folder, { recursive: true })
    const undo: (() => unknown)[] = []
    const nats = await startNats({ teardown: (end) => undo.push(end) })
    const one = new Cluster(options, nats, undo)
    writeFileSync(one.#tokenFile, one.#token, { mode: 0o600 })
    return one
  }

  get events(): readonly ClusterEvent[] {
    return this.tail.events
  }

  addCoordinator(): Coordinator {
    const { processes, folder, cwd, job, expectedWorkers } = this.#options
    const number = this.coordinators.length + 1
    const [file, ...options] = job
    const [out, events] = [join(folder, `coordinator-${number}`), join(folder, `coordinator-${number}.events`)]
    const own = ['--token-file', this.#tokenFile, '--out', out, '--events', events, '--workers', `${expectedWorkers}`, '--json']
    const args = [lethePath, 'coordinator', file, '--bus', this.nats.url, '--cluster', cluster, ...own, ...options]
    const started = processes.start(args, { cwd, env: { LETHE_LOG: 'info' }, log: `${out}.log` })
    const coordinator = Object.assign(started, { number, out })
    this.coordinators.push(coordinator)
    this.tail.follow(events, number)
    return coordinator
  }

  addWorker(): Worker {
    return this.#addWorker(
      [lethePath, 'worker', '--bus', this.nats.url, '--cluster', cluster, '--token-file', this.#tokenFile],
      /"msg":"joined as ([^"]+)"/,
    )
  }

  /** One that flips a bit of one gradient in this step; what it logs goes to stdout. */
  addFaultyWorker(fault: { flipsBitAt: number }, script: string): Worker {
    const args = ['--import', 'tsx', script, this.nats.url, JSON.stringify(fault), JSON.stringify({ cluster })]
    return this.#addWorker(args, /^joined as (\S+)/)
  }

  #addWorker(args: readonly string[], joined: RegExp): Worker {
    const { processes, folder, cwd } = this.#options
    const number = this.workers.length + 1
    const names: string[] = []
    const started = processes.start(args, {
      cwd,
      env: { LETHE_TOKEN: this.#token },
      log: join(folder, `worker-${number}.log`),
      onLine: (line) => {
        const name = joined.exec(line)?.[1]
        if (name) names.push(name)
      },
    })
    const worker = Object.assign(started, { number, names, isLeaving: false })
    this.workers.push(worker)
    return worker
  }

  /** Who leads and lives; null while nobody does. */
  get leader(): Coordinator | null {
    const led = this.events.filter((event) => event.type === 'leading')
    const last = led.reduce<ClusterEvent | null>((best, event) => (best && epochOf(best) > epochOf(event) ? best : event), null)
    const leader = last && this.coordinators[last.coordinator - 1]
    return leader?.isAlive ? leader : null
  }

  /** Another coordinator would notice the leader's death. */
  get hasStandby(): boolean {
    const { leader } = this
    const standing = this.events.filter(({ type }) => type === 'standby').map(({ coordinator }) => this.coordinators[coordinator - 1])
    return standing.some((one) => one !== leader && one.isAlive)
  }

  /** Workers that the leader counts. */
  get members(): number {
    const counted = this.events.filter((event) => event.coordinator === this.leader?.number && 'workers' in event)
    const last = counted.at(-1)
    return last && 'workers' in last ? last.workers : 0
  }

  /** Has a leader told that this worker joined, and not that it left? */
  isMember(name: string): boolean {
    const isAbout = (event: ClusterEvent) => (event.type === 'workerJoined' || event.type === 'workerLeft') && event.worker === name
    return this.events.findLast(isAbout)?.type === 'workerJoined'
  }

  /** Kills nats-server; `restartNats` brings it back with its store. */
  async killNats(): Promise<void> {
    this.#options.processes.forget(this.nats.pid)
    await this.nats.kill()
  }

  async restartNats(): Promise<void> {
    await this.nats.restart()
    this.#options.processes.guard(this.nats.pid)
  }

  /** Whatever still runs is killed. */
  async close(): Promise<void> {
    const own = [...this.coordinators, ...this.workers]
    for (const one of own) if (one.isAlive) one.signal('SIGKILL')
    await Promise.all(own.map(({ ended }) => ended))
    this.tail.close()
    this.#options.processes.forget(this.nats.pid)
    for (const end of this.#undo) await end()
  }

  get #tokenFile(): string {
    return join(this.#options.folder, 'token')
  }
}

const epochOf = (event: ClusterEvent) => (event.type === 'leading' ? event.epoch : 0)
