import { decide } from '../../coordinator/run/decide.ts'
import {
  dataDigest,
  initialState,
  type Resumed,
  type RunCommand,
  type RunEvent,
  type RunSettings,
  type RunState,
} from '../../coordinator/run/state.ts'
import { digestOf } from '../../protocol/digest.ts'

/*
 * A run without processes, sockets or clock: whoever drives it chooses what happens next. A direction is a digest of the parameters that
 * each micro-batch saw, so one worker with wrong parameters shows in every digest after it.
 */

/** So large that a worker which loads a state may be four directions behind, no more. */
const summary = {
  parameterCount: 2 ** 30,
  channels: ['keep'],
  microBatches: 1,
  manifestDigest: 'data',
  forgetDigest: 'forget',
  items: 1,
  forgetItems: 0,
  engine: 'none',
}
const figures = { losses: {}, norms: {}, updateNorm: 0 }

type ToWorker =
  | { type: 'assign'; epoch: number; step: number; start: number; end: number }
  | { type: 'export'; ticket: number; version: number }
  | { type: 'evaluate'; phase: 'before' | 'after'; unit: number }
  | { type: 'state'; version: number; digest: string }
  | { type: 'direction'; step: number; direction: string }

type FromWorker = RunEvent | { type: 'partials'; epoch: number; step: number; seen: Record<number, string> }

interface SimulatedWorker {
  name: string
  version: number
  digest: string
  /** Two sockets: each keeps its order, nothing more. */
  control: ToWorker[]
  bulk: ToWorker[]
  out: FromWorker[]
  assignment: Extract<ToWorker, { type: 'assign' }> | null
  directions: Map<number, string>
  exports: Extract<ToWorker, { type: 'export' }>[]
}

const digestAt = (digest: string, direction: string) => digestOf([digest, direction])

export class SimulatedRun {
  state: RunState
  isFinished = false
  failure: string | null = null
  parted = 0
  /** What is durable: outlives a coordinator. */
  readonly commits: string[] = []
  readonly evaluated = { before: new Map<number, number>(), after: new Map<number, number>() }
  checkpoint = { version: 0, digest: 'parent' }
  readonly #settings: RunSettings
  #workers: SimulatedWorker[] = []
  #completions: (() => void)[] = []
  #reduction: { epoch: number; step: number; seen: Record<number, string>; direction: string } | null = null
  #exports = new Map<number, { version: number; digest: string }>()
  #joined = 0
  #now = 0

  constructor(settings: RunSettings) {
    this.#settings = settings
    this.state = initialState(settings, this.#resumed())
  }

  #resumed(): Resumed {
    const { version, digest } = this.checkpoint
    const digests: Record<number, string> = { [version]: digest }
    this.commits.forEach((one, i) => {
      if (i + 1 >= version) digests[i + 1] = one
    })
    const evaluated = { before: new Set(this.evaluated.before.keys()), after: new Set(this.evaluated.after.keys()) }
    return {
      dataDigest: this.commits.length > 0 ? dataDigest(summary) : null,
      durable: version,
      journaled: this.commits.length,
      digests,
      evaluated,
    }
  }

  get workers(): number {
    return this.#workers.length
  }

  join(): void {
    this.#joined += 1
    this.#workers.push({
      name: `w${this.#joined}`,
      version: 0,
      digest: 'parent',
      control: [],
      bulk: [],
      out: [{ type: 'opened', worker: `w${this.#joined}`, summary, digest: 'parent' }],
      assignment: null,
      directions: new Map(),
      exports: [],
    })
  }

  kill(index: number): void {
    const [worker] = this.#workers.splice(index % this.#workers.length, 1)
    this.#tell({ type: 'left', worker: worker.name, reason: 'killed' })
  }

  /** The coordinator dies and starts again; what was not durable is lost, workers join anew. */
  crash(): void {
    const workers = this.#workers.length
    this.#workers = []
    this.#completions = []
    this.#reduction = null
    this.#exports.clear()
    this.state = initialState(this.#settings, this.#resumed())
    for (let i = 0; i < workers; i++) this.join()
  }

  /** Everything that could happen next. */
  possible(isHeld: (worker: string) => boolean = () => false): (() => void)[] {
    const worker = (one: SimulatedWorker) => [
      ...(one.control.length > 0 ? [() => this.#receive(one, one.control.shift() as ToWorker)] : []),
      ...(one.bulk.length > 0 && !isHeld(one.name) ? [() => this.#receive(one, one.bulk.shift() as ToWorker)] : []),
      ...(one.out.length > 0 ? [() => this.#hear(one.out.shift() as FromWorker)] : []),
    ]
    const completions = this.#completions.slice(0, 1).map(() => () => (this.#completions.shift() as () => void)())
    return [...this.#workers.flatMap(worker), ...completions]
  }

  /** Directions that wait for each worker. */
  get backlogs(): number[] {
    return this.#workers.map(({ bulk }) => bulk.filter(({ type }) => type === 'direction').length)
  }

  tick(): void {
    this.#now += 100_000
    this.#tell({ type: 'tick' })
  }

  #hear(message: FromWorker): void {
    if (message.type === 'evaluated') this.#book(message)
    if (message.type === 'exported') this.#exports.set(message.ticket, { version: message.version, digest: message.digest })
    if (message.type !== 'partials') {
      this.#tell(message)
      return
    }
    const reduction = this.#reduction
    if (reduction === null || reduction.epoch !== message.epoch || reduction.step !== message.step) return
    Object.assign(reduction.seen, message.seen)
    if (Object.keys(reduction.seen).length < this.#settings.microBatches) return
    reduction.direction = digestOf(reduction.seen)
    const { epoch, step } = reduction
    this.#completions.push(() => this.#tell({ type: 'reduced', epoch, step, computeMs: {}, ...figures }))
  }

  #receive(worker: SimulatedWorker, message: ToWorker): void {
    if (message.type === 'assign' && message.epoch > (worker.assignment?.epoch ?? 0)) worker.assignment = message
    if (message.type === 'direction') worker.directions.set(message.step, message.direction)
    if (message.type === 'export') worker.exports.push(message)
    if (message.type === 'state') this.#reach(worker, message.version, message.digest)
    if (message.type === 'evaluate') worker.out.push({ ...message, type: 'evaluated', worker: worker.name })
    this.#work(worker)
  }

  #reach(worker: SimulatedWorker, version: number, digest: string): void {
    worker.version = version
    worker.digest = digest
    worker.out.push({ type: 'at', worker: worker.name, version, digest })
  }

  #work(worker: SimulatedWorker): void {
    for (const one of worker.exports.filter(({ version }) => version === worker.version)) {
      worker.exports = worker.exports.filter((other) => other !== one)
      worker.out.push({ ...one, type: 'exported', worker: worker.name, digest: worker.digest })
    }
    const direction = worker.directions.get(worker.version)
    if (direction !== undefined) {
      worker.directions.delete(worker.version)
      this.#reach(worker, worker.version + 1, digestAt(worker.digest, direction))
      this.#work(worker)
      return
    }
    const { assignment } = worker
    if (assignment?.step !== worker.version) return
    worker.assignment = { ...assignment, step: -1 }
    const seen: Record<number, string> = {}
    for (let i = assignment.start; i < assignment.end; i++) seen[i] = worker.digest
    if (assignment.start < assignment.end) worker.out.push({ type: 'partials', epoch: assignment.epoch, step: assignment.step, seen })
  }

  #tell(event: RunEvent): void {
    const { state, commands } = decide(this.state, event, this.#now)
    this.state = state
    for (const command of commands) this.#execute(command)
  }

  #get(name: string): SimulatedWorker | undefined {
    return this.#workers.find((worker) => worker.name === name)
  }

  #execute(command: RunCommand): void {
    switch (command.type) {
      case 'plan':
        this.#reduction = { epoch: command.epoch, step: command.step, seen: {}, direction: '' }
        for (const { worker, start, end } of command.ranges)
          this.#get(worker)?.control.push({ type: 'assign', epoch: command.epoch, step: command.step, start, end })
        break
      case 'release':
        for (const worker of command.workers)
          this.#get(worker)?.bulk.push({ type: 'direction', step: command.step, direction: this.#reduction?.direction ?? '' })
        break
      case 'commit':
        this.#completions.push(() => {
          if (command.version !== this.commits.length + 1) throw new Error(`version ${command.version} after ${this.commits.length}`)
          this.commits.push(command.digest)
          this.#tell({ type: 'committed', version: command.version })
        })
        break
      case 'export':
        this.#get(command.worker)?.control.push({ type: 'export', ticket: command.ticket, version: command.version })
        break
      case 'save': {
        const saved = this.#exports.get(command.ticket) as { version: number; digest: string }
        this.#completions.push(() => {
          this.checkpoint = saved
          this.#tell({ type: 'saved', version: command.version })
        })
        break
      }
      case 'sendState': {
        const { version, digest } = command.ticket === null ? this.checkpoint : (this.#exports.get(command.ticket) ?? this.checkpoint)
        this.#get(command.worker)?.bulk.push({ type: 'state', version, digest })
        break
      }
      case 'evaluate':
        this.#get(command.worker)?.control.push({ type: 'evaluate', phase: command.phase, unit: command.unit })
        break
      case 'part':
        this.#workers = this.#workers.filter(({ name }) => name !== command.worker)
        this.parted += 1
        this.join()
        break
      case 'fail':
      case 'dismiss':
        this.failure = command.message
        break
      case 'finish':
        this.isFinished = true
        break
      case 'phase':
        break
    }
  }

  #book(event: Extract<RunEvent, { type: 'evaluated' }>): void {
    this.evaluated[event.phase].set(event.unit, (this.evaluated[event.phase].get(event.unit) ?? 0) + 1)
  }
}
