import { decide } from '../../coordinator/run/decide.ts'
import { initialState, type Resumed, type RunCommand, type RunEvent, type RunSettings, type RunState } from '../../coordinator/run/state.ts'
import type { Held, SessionSummary } from '../../protocol/messages.ts'

export const summary: SessionSummary = {
  parameterCount: 4 * 2 ** 16,
  channels: ['keep'],
  microBatches: 8,
  manifestDigest: 'data',
  forgetDigest: 'forget',
  items: 10,
  forgetItems: 1,
  imageShape: [8, 8, 1],
  engine: 'none',
}

export const figures = { losses: { keep: 1 }, norms: { keep: 1 }, updateNorm: 1 }

const nothing: Resumed = { dataDigest: null, durable: 0, journaled: 0, digests: {}, evaluated: new Map(), end: null }

type CommandOf<Type extends RunCommand['type']> = Extract<RunCommand, { type: Type }>

/** `decide` with what a test says to it, word by word. */
export class DecidedRun {
  readonly state: RunState
  /** All commands since they were looked at last. */
  #commands: RunCommand[] = []
  now = 0

  constructor(settings: Partial<RunSettings> = {}, resumed: Partial<Resumed> = {}) {
    const whole: RunSettings = {
      steps: 4,
      microBatches: 8,
      checkpointEvery: 2,
      expectedWorkers: 1,
      stops: [],
      units: 0,
      reducer: 'central',
      auditEvery: 0,
      isExact: true,
      firstEpoch: 100,
      isSuccessor: false,
      ...settings,
    }
    this.state = initialState(whole, { ...nothing, ...resumed })
  }

  tell(...events: RunEvent[]): void {
    for (const event of events) this.#commands.push(...decide(this.state, event, this.now).commands)
  }

  open(worker: string, held: Held | null = null, other: Partial<SessionSummary> = {}, parentDigest = 'parent'): void {
    this.tell({ type: 'opened', worker, summary: { ...summary, ...other }, parentDigest, held })
  }

  /** The types of the commands that came, but for changes of phase. */
  heard(): string[] {
    const types = this.#commands.map(({ type }) => type).filter((type) => type !== 'phase')
    this.#commands = []
    return types
  }

  /** Takes the commands; exactly one of this type must be among them. */
  one<Type extends RunCommand['type']>(type: Type): CommandOf<Type> {
    const found = this.#commands.filter((command): command is CommandOf<Type> => command.type === type)
    const all = this.#commands.map((command) => command.type)
    this.#commands = []
    if (found.length !== 1) throw new Error(`${found.length} times ${type} among ${all}`)
    return found[0]
  }

  reduced(): void {
    const { epoch, step } = this.state.plan ?? { epoch: -1, step: -1 }
    this.tell({ type: 'reduced', epoch, step, ...figures })
  }

  at(version: number, digest: string, ...workers: string[]): void {
    for (const worker of workers) this.tell({ type: 'at', worker, version, digest })
  }

  /** A whole step of the central reducer, from its plan to its durable commit, and the checkpoint where one is due. */
  step(...workers: string[]): void {
    this.reduced()
    const version = this.state.version
    this.at(version, `digest ${version}`, ...workers)
    this.tell({ type: 'committed', version })
    const asked = this.state.export
    if (!asked) return
    this.tell({ type: 'exported', worker: asked.worker, ticket: asked.ticket, version, digest: `digest ${version}` })
    if (asked.checkpoint) this.tell({ type: 'saved', version })
  }
}
