import type { Cluster } from './cluster.ts'
import type { ModelCoordinator } from './coordinator.ts'
import { endOf, measure } from './model.ts'
import type { LogEntry } from './store.ts'
import type { ModelWorker } from './worker.ts'

/** What has to hold at every moment, and at the end, whatever happens. */
export class Checks {
  readonly #cluster: Cluster
  readonly #leaders = new Map<number, string>()
  #writer = ''
  #epoch = 0
  /** Digests of committed versions, from 1 on. */
  readonly commits: string[] = []
  readonly #measured = new Map<string, number>()
  #checkpoint: { version: number; digest: string } = { version: 0, digest: '' }
  isFinished = false
  /** Workers that were told to go, rightly. */
  readonly caught = new Set<ModelWorker>()

  constructor(cluster: Cluster) {
    this.#cluster = cluster
  }

  #violate(invariant: string, what: string): never {
    return this.#cluster.world.violate(invariant, what)
  }

  get #isExact(): boolean {
    return this.#cluster.scenario.settings.isExact
  }

  /** A worker's parameters have changed. */
  parameters(worker: ModelWorker, applied: number | null): void {
    const { reference } = this.#cluster
    const session = worker.holding?.session
    if (!session) return
    const digest = session.digest()
    if (this.#isExact && worker.defect?.type !== 'parameters' && digest !== reference[session.step])
      this.#violate('equal digests', `${worker.name} has ${digest} after ${session.step} steps, a single worker ${reference[session.step]}`)
    if (this.#isExact && applied !== null && this.commits.length < applied)
      this.#violate('nothing lost', `${worker.name} applies step ${applied}, but the journal holds ${this.commits.length} commits`)
  }

  elected(epoch: number, writer: string): void {
    const other = this.#leaders.get(epoch)
    if (other && other !== writer) this.#violate('one leader an epoch', `${other} and ${writer} both lead epoch ${epoch}`)
    this.#leaders.set(epoch, writer)
  }

  /** A coordinator gives commands. */
  commands(by: ModelCoordinator): void {
    const others = this.#cluster.coordinators.filter((one) => one !== by && one.leads)
    if (others.length > 0) this.#violate('one leader at a time', `${by.name} gives commands while ${others[0].name} leads`)
  }

  /** Something was appended to the journal. */
  appended({ writer, epoch, event }: LogEntry, before: readonly LogEntry[]): void {
    if (this.isFinished && event.type !== 'led') this.#violate('nothing twice', `a ${event.type} after the end of the run`)
    if (event.type === 'led') {
      if (epoch <= this.#epoch) this.#violate('one leader an epoch', `epoch ${epoch} begins after epoch ${this.#epoch}`)
      this.#epoch = epoch
      this.#writer = writer
      return
    }
    if (writer !== this.#writer) this.#violate('deposed leaders are fenced', `${writer} of epoch ${epoch} appends in epoch ${this.#epoch}`)
    const { reference } = this.#cluster
    switch (event.type) {
      case 'committed':
        if (event.version !== this.commits.length + 1)
          this.#violate('nothing twice', `version ${event.version} is committed after ${this.commits.length}`)
        this.commits.push(event.digest)
        if (this.#isExact && event.digest !== reference[event.version])
          this.#violate(
            'equal digests',
            `version ${event.version} is committed with ${event.digest}, a single worker has ${reference[event.version]}`,
          )
        return
      case 'rewound':
        if (this.#isExact) this.#violate('nothing lost', 'an exact run goes back in its journal')
        this.commits.length = Math.min(this.commits.length, event.version)
        this.#rewind(event.version)
        return
      case 'evaluated': {
        const key = `${event.version} ${event.unit}`
        if (this.#measured.has(key)) this.#violate('nothing twice', `unit ${key} is measured twice`)
        this.#measured.set(key, event.values[0])
        return
      }
      case 'checkpoint':
        if (event.version > this.commits.length || event.digest !== this.commits[event.version - 1])
          this.#violate('equal digests', `checkpoint ${event.version} is not the committed version`)
        // A leader without the disk of the one before writes earlier ones again.
        if (event.version > this.#checkpoint.version) this.#checkpoint = { version: event.version, digest: event.digest }
        return
      case 'finished':
        this.isFinished = true
        this.#finished(before.length)
    }
  }

  /** What was measured of the version that is computed anew does not count. */
  #rewind(version: number): void {
    if (version >= this.#cluster.scenario.job.steps) return
    for (const key of [...this.#measured.keys()]) if (Number(key.split(' ')[0]) > version) this.#measured.delete(key)
    if (this.#checkpoint.version > version) this.#checkpoint = { version: 0, digest: '' }
  }

  #finished(entries: number): void {
    const { scenario, reference } = this.#cluster
    const { stops, units } = scenario.job
    const steps = endOf(scenario.job)
    if (this.commits.length !== steps) this.#violate('nothing lost', `${this.commits.length} commits of ${steps} in ${entries} entries`)
    const digest = steps === 0 ? reference[0] : this.commits[steps - 1]
    if (steps > 0 && (this.#checkpoint.version !== steps || this.#checkpoint.digest !== digest))
      this.#violate('equal digests', `the last checkpoint is version ${this.#checkpoint.version}`)
    for (const stop of stops)
      for (let unit = 0; unit < units; unit++) {
        const value = this.#measured.get(`${stop} ${unit}`)
        if (stop > steps) {
          if (value !== undefined) this.#violate('nothing twice', `unit ${unit} was measured at ${stop}, after the end at ${steps}`)
          continue
        }
        const expected = measure(stop === 0 ? reference[0] : this.commits[stop - 1], unit)
        if (value === undefined) this.#violate('nothing lost', `unit ${unit} was not measured at ${stop}`)
        if (value !== expected) this.#violate('equal digests', `unit ${unit} at ${stop} gave ${value}, not ${expected}`)
      }
  }

  /** The coordinator parts from a worker that it holds to be wrong. */
  dismissed(worker: ModelWorker | undefined, message: string): void {
    if (!worker?.defect) this.#violate('nobody innocent is excluded', `${worker?.name}: ${message}`)
    this.caught.add(worker)
  }

  /** A worker is told that it is wrong. */
  refused(worker: ModelWorker, code: string, message: string): void {
    if (!worker.defect || code !== 'COMPUTE_DIGEST') this.#violate('nobody innocent is excluded', `${worker.name}: ${code}: ${message}`)
  }
}
