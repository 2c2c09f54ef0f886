import { LetheError } from '../../protocol/errors.ts'
import type { WorkerMessage } from '../../protocol/messages.ts'
import type { Chance } from './chance.ts'
import { Checks } from './checks.ts'
import { ModelCoordinator } from './coordinator.ts'
import type { Flaw } from './flaws.ts'
import { referenceOf } from './model.ts'
import { Network } from './network.ts'
import type { Scenario } from './scenario.ts'
import { LogServer, Records } from './store.ts'
import type { ModelWelcome, UpPacket } from './wire.ts'
import { ModelWorker } from './worker.ts'
import { Violation, World } from './world.ts'

interface Hello {
  worker: ModelWorker
  instance: string
  epoch: number
}

/** Everything of one simulation: processes, the bus between them, and what must hold. */
export class Cluster {
  readonly scenario: Scenario
  readonly world: World
  readonly network: Network
  readonly records: Records
  readonly log: LogServer
  readonly checks: Checks
  readonly reference: readonly string[]
  readonly workers: ModelWorker[] = []
  readonly coordinators: ModelCoordinator[] = []
  readonly auditedEpochs = new Set<number>()
  readonly #heard = new Set<string>()

  constructor(scenario: Scenario, chance: Chance, flaw: Flaw, isTold: boolean) {
    this.scenario = scenario
    this.world = new World(chance, flaw, isTold)
    this.network = new Network(this.world, scenario.weather)
    this.reference = referenceOf(scenario.job)
    this.checks = new Checks(this)
    this.records = new Records(this.world, () => {
      for (const worker of this.workers) if (worker.process.isAlive) worker.onRecord()
    })
    this.log = new LogServer(this.world, this.checks)
    for (let i = 0; i < scenario.coordinators; i++) this.coordinators.push(new ModelCoordinator(this, `C${i + 1}`))
    for (const options of scenario.workers) this.addWorker(options)
  }

  addWorker(options: Scenario['workers'][number]): ModelWorker {
    const worker = new ModelWorker(this, `P${this.workers.length + 1}`, options)
    this.workers.push(worker)
    return worker
  }

  workerAt(name: string): ModelWorker | null {
    return this.workers.find((worker) => worker.name === name) ?? null
  }

  get leader(): ModelCoordinator | undefined {
    return this.coordinators.find(({ isLeader }) => isLeader)
  }

  /** Sound workers that have opened the job. */
  get seated(): number {
    return this.workers.filter(({ isSeated }) => isSeated).length
  }

  /** Somebody always computes in the end. */
  onGone(): void {
    if (this.checks.isFinished || this.workers.some(({ process, isGone }) => !isGone && (process.isAlive || process.life === 0))) return
    this.world.after(1000, () => this.addWorker({ microMs: 10, defect: null, isHidden: false }).start())
  }

  startAgain(coordinator: ModelCoordinator): void {
    if (!coordinator.process.isAlive && !coordinator.isGone) coordinator.start()
  }

  /** A request on the subject on which coordinators answer those who want to join. */
  hello({ worker, instance, epoch }: Hello, answer: (coordinator: ModelCoordinator, welcome: ModelWelcome | null) => void): void {
    const listening = this.coordinators.filter(({ process, run }) => process.isAlive && run !== null)
    // The bus says at once where nobody listens.
    if (listening.length === 0) this.network.packet(worker.process, worker.process, () => answer(this.coordinators[0], null))
    for (const coordinator of listening)
      this.network.packet(worker.process, coordinator.process, () => {
        const welcome = coordinator.hello(instance, worker, epoch)
        if (welcome === 'silence') return
        this.network.packet(coordinator.process, worker.process, () => answer(coordinator, welcome))
      })
  }

  /** What honest processes send each other is never refused. */
  guard(what: string, work: () => void): void {
    try {
      work()
    } catch (error) {
      if (error instanceof Violation || !(error instanceof LetheError || error instanceof RangeError)) throw error
      this.world.violate(
        'protocol',
        `${what}: ${error.message}${error instanceof LetheError && error.received ? ` (${error.received})` : ''}`,
      )
    }
  }

  /** The flaw of a coordinator that believes what a newcomer tells. */
  trusted({ parentDigest, held }: Extract<WorkerMessage, { type: 'opened' }>) {
    if (this.world.flaw !== 'trustsNewcomers') return { parentDigest, held }
    return { parentDigest: this.reference[0], held: held && { ...held, digest: this.reference[held.version] } }
  }

  /** Did this packet come before? */
  isRepeated({ memberKey, seq }: UpPacket): boolean {
    const key = `${memberKey} ${seq}`
    if (this.#heard.has(key)) return true
    this.#heard.add(key)
    return false
  }
}
