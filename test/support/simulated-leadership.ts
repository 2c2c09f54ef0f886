import { decide } from '../../coordinator/leadership/decide.ts'
import {
  type LeadershipEvent,
  type LeadershipState,
  leadershipSettings,
  leads,
  type RecordEntry,
  standby,
} from '../../coordinator/leadership/state.ts'

/*
 * Coordinators that want to lead one run, and the store between them, under one virtual clock. Calls take time, get lost on the way
 * there or back, and may be carried out long after the caller gave them up; processes pause with everything that is on its way to
 * them; their clocks start anywhere and run at different speeds.
 */

export interface Weather {
  /** Drawn one after another, for each call: whether it gets lost, and its way there and back in milliseconds. */
  calls: { lost: 'no' | 'there' | 'back'; there: number; back: number }[]
  /** What happens to the store, or to a process: one of the living by number, or whoever leads where there are fewer. */
  faults: { kind: 'pause' | 'kill' | 'stop' | 'outage' | 'loseTail'; at: number; forMs: number; process: number }[]
  clocks: { offsetMs: number; rate: number }[]
  healedAt: number
}

/** Ways to build it wrong, each of which the test has to notice. `none` is the product. */
export type Flaw = 'none' | 'storeComparesNothing' | 'leaderTrustsItsRole' | 'impatientStandby' | 'epochStays'

interface Process {
  name: string
  clock: { offsetMs: number; rate: number }
  state: LeadershipState
  pausedUntil: number
  isAlive: boolean
  elected: number | null
}

const tickMs = 50

export class SimulatedLeadership {
  now = 0
  readonly problems: string[] = []
  /** Epochs in the order in which they were elected. */
  readonly epochs: number[] = []
  readonly processes: Process[] = []
  /** Ends of roles: deposed, stopped and so on, by their number. */
  readonly ends: Record<string, number> = {}
  #store: RecordEntry | null = null
  #previous: RecordEntry | null = null
  #storeDownUntil = 0
  #callsDrawn = 0
  readonly #due: { at: number; run: () => void; process: Process | null }[] = []

  constructor(
    readonly weather: Weather,
    readonly flaw: Flaw = 'none',
  ) {
    for (const clock of weather.clocks) this.#start(clock)
  }

  get isHealed(): boolean {
    return this.now >= this.weather.healedAt
  }

  /** Those who would give commands at this moment. */
  get leaders(): Process[] {
    return this.processes.filter(
      ({ isAlive, state, clock }) =>
        isAlive && (this.flaw === 'leaderTrustsItsRole' ? state.role === 'leading' : leads(state, this.#local(clock))),
    )
  }

  run(untilMs: number): void {
    for (; this.now <= untilMs; this.now += 1) {
      for (const fault of this.weather.faults) if (fault.at === this.now) this.#strike(fault)
      for (let i = 0; i < this.#due.length; i++) {
        const { at, process, run } = this.#due[i]
        if (at > this.now || (process !== null && process.pausedUntil > this.now)) continue
        this.#due.splice(i, 1)
        i -= 1
        run()
      }
      for (const process of this.processes) {
        if (process.isAlive && process.pausedUntil <= this.now && this.now % tickMs === 0) this.#feed(process, { type: 'tick' })
      }
      if (this.leaders.length > 1) this.problems.push(`${this.now}: ${this.leaders.map(({ name }) => name)} lead at once`)
    }
  }

  #start(clock: Process['clock']): void {
    const name = String(this.processes.length + 1).padStart(32, '0')
    const self = { protocol: 2, runId: 'a'.repeat(64), coordinator: name, url: '' }
    const settings = this.flaw === 'impatientStandby' ? { ...leadershipSettings, leaseMs: leadershipSettings.leaseMs / 4 } : undefined
    this.processes.push({ name, clock, state: standby(self, this.#local(clock), settings), pausedUntil: 0, isAlive: true, elected: null })
  }

  #local({ offsetMs, rate }: Process['clock']): number {
    return offsetMs + this.now * rate
  }

  #strike({ kind, forMs, process: index }: Weather['faults'][number]): void {
    if (kind === 'outage') this.#storeDownUntil = this.now + forMs
    if (kind === 'loseTail') this.#store = this.#previous
    const living = this.processes.filter(({ isAlive }) => isAlive)
    const process = living[index] ?? this.leaders[0] ?? living[0]
    if (kind === 'pause') process.pausedUntil = this.now + forMs
    if (kind === 'kill') this.#replace(process)
    if (kind === 'stop' && process.pausedUntil <= this.now) this.#feed(process, { type: 'stop', finished: false })
  }

  /** Somebody starts the command again. */
  #replace(process: Process): void {
    process.isAlive = false
    this.#start(process.clock)
  }

  #feed(process: Process, event: LeadershipEvent): void {
    if (!process.isAlive) return
    const { state, commands } = decide(process.state, event, this.#local(process.clock))
    process.state = state
    for (const command of commands) {
      switch (command.type) {
        case 'read':
          this.#call(process, command.ticket, () => ({ type: 'read', ticket: command.ticket, entry: this.#store }))
          break
        case 'write': {
          const { ticket, record, revision } = command
          this.#call(process, ticket, () => {
            const written = this.#write({ ...record, epoch: this.flaw === 'epochStays' ? 1 : record.epoch }, revision)
            return written === null ? { type: 'refused', ticket } : { type: 'written', ticket, revision: written }
          })
          break
        }
        case 'elected': {
          const epoch = this.flaw === 'epochStays' ? 1 : command.epoch
          if (epoch <= Math.max(0, ...this.epochs)) this.problems.push(`${this.now}: epoch ${epoch} after ${this.epochs}`)
          if (process.elected !== null) this.problems.push(`${this.now}: ${process.name} is elected twice`)
          process.elected = epoch
          this.epochs.push(epoch)
          break
        }
        case 'deposed':
        case 'stopped':
        case 'finished':
          this.ends[command.type] = (this.ends[command.type] ?? 0) + 1
          this.#replace(process)
      }
    }
  }

  #write(record: RecordEntry['record'], revision: number | null): number | null {
    if (this.flaw !== 'storeComparesNothing' && (this.#store?.revision ?? null) !== revision) return null
    this.#previous = this.#store
    this.#store = { record, revision: (this.#store?.revision ?? 0) + 1 }
    return this.#store.revision
  }

  /** The store answers at one moment between the way there and the way back. */
  #call(process: Process, ticket: number, answer: () => LeadershipEvent): void {
    const draw = this.isHealed ? null : this.weather.calls[this.#callsDrawn++ % this.weather.calls.length]
    const { lost, there, back } = draw ?? { lost: 'no', there: 1, back: 1 }
    const at = this.now + there
    const fail = () => this.#feed(process, { type: 'failed', ticket })
    this.#due.push({
      at,
      process: null,
      run: () => {
        if (lost === 'there' || this.#storeDownUntil > this.now) {
          this.#due.push({ at: at + back, process, run: fail })
          return
        }
        const event = answer()
        if (lost === 'no') this.#due.push({ at: at + back, process, run: () => this.#feed(process, event) })
      },
    })
  }
}
