import { randomBytes } from 'node:crypto'
import type { Bus, KeyValue } from '../../protocol/bus/bus.ts'
import { BusRefused } from '../../protocol/bus/refused.ts'
import { type LeaderRecord, leaderBucket, leaderKey, nobody } from '../../protocol/bus/subjects.ts'
import { LetheError } from '../../protocol/errors.ts'
import { protocolVersion } from '../../protocol/socket.ts'
import type { Log } from '../run/events.ts'
import { sleepClock } from './clock.ts'
import { decide } from './decide.ts'
import { packRecord, unpackRecord } from './record.ts'
import { type LeadershipCommand, type LeadershipEvent, type LeadershipState, leadershipSettings, leads, standby } from './state.ts'

export interface LeadershipOptions {
  bus: Bus
  cluster: string
  runId: string
  /** ws(s)://host:port of this coordinator's bulk sockets. */
  url: string
  /** Nobody else can lead, as where the run folder is locked: the lease of a predecessor is not waited for. */
  isAlone: boolean
  /** The run is led once more where it is finished by now; later on its end is the end here too. */
  startsOver?: boolean
  log: Log
  /** Another coordinator is at work: it has renewed its lease. Once for each. */
  onStandingBy(record: LeaderRecord): void
  /** Once at most: this process leads with that epoch. */
  onElected(epoch: number): void
  /** The lease may run out: no more commands until `onResumed`. */
  onSuspended(): void
  onResumed(): void
  /** RUN_DEPOSED: another coordinator leads; this process never will again. */
  onDeposed(error: LetheError): void
  /** The run is over, as its last leader has written. */
  onFinished(record: LeaderRecord): void
  /** BUS_UNAVAILABLE: the bus does not let this process read or write the record, and never will. */
  onRefused(error: LetheError): void
}

const tickMs = 50

/** Carries out what `decide` says, over the key-value store of the bus. */
export class Leadership {
  readonly #options: LeadershipOptions
  readonly #now = sleepClock()
  #state: LeadershipState
  #records: Promise<KeyValue> | null = null
  #timer: NodeJS.Timeout | null = null
  /** What `stop` waits for. */
  #stopped: Promise<void> | null = null
  #onStopped: (() => void) | null = null
  #isUnreadable = false
  #seenRevision: number | null = null
  #hasStoodBy = false
  /** The coordinator that `onStandingBy` named last. */
  #named = ''

  constructor(options: LeadershipOptions) {
    this.#options = options
    const { runId, url, isAlone, startsOver } = options
    const coordinator = randomBytes(16).toString('hex')
    const settings = isAlone ? { ...leadershipSettings, leaseMs: 0 } : leadershipSettings
    this.#state = standby({ protocol: protocolVersion, runId, coordinator, url }, this.#now(), settings, startsOver)
  }

  /** Whether commands may be given now: to be asked before each one, because any process may wake from a pause. */
  get leads(): boolean {
    return leads(this.#state, this.#now())
  }

  /** Of this process; 0 until it is elected. */
  get epoch(): number {
    return this.#state.epoch
  }

  /** Did another coordinator lead at any time of this process's life? */
  get hasStoodBy(): boolean {
    return this.#hasStoodBy
  }

  /** Random name of this process in the record. */
  get coordinator(): string {
    return this.#state.self.coordinator
  }

  start(): void {
    this.#timer = setInterval(() => this.#feed({ type: 'tick' }), tickMs)
    this.#feed({ type: 'tick' })
  }

  /**
   * No more callbacks come. A leader hands over: the record says that the run is finished, or that nobody leads, so that a standby need
   * not wait. Resolves when that is written, or the lease has run out.
   */
  async stop({ finished }: { finished: boolean }): Promise<void> {
    if (this.#state.role === 'over' || this.#timer === null) return this.#end()
    this.#stopped ??= new Promise((resolve) => {
      this.#onStopped = resolve
    })
    this.#feed({ type: 'stop', finished })
    await this.#stopped
  }

  #feed(event: LeadershipEvent): void {
    const role = this.#state.role
    const { state, commands, reason } = decide(this.#state, event, this.#now())
    this.#state = state
    if (role !== state.role) this.#options.log.info({ role: state.role, epoch: state.epoch, reason }, 'leadership')
    if (state.role === 'over') this.#end()
    for (const command of commands) this.#carryOut(command)
  }

  #carryOut(command: LeadershipCommand): void {
    const { onElected, onSuspended, onResumed, onDeposed, onFinished } = this.#options
    switch (command.type) {
      case 'read':
        void this.#call(command.ticket, async (records) => {
          const entry = await records.get(this.#key)
          const record = entry && unpackRecord(entry.value, this.#options.runId)
          const isOwn = record?.coordinator === this.coordinator
          const isRenewed = entry && this.#seenRevision !== null && entry.revision !== this.#seenRevision
          if (isRenewed && !isOwn) this.#hasStoodBy = true
          if (isRenewed && !isOwn && record) this.#standBy(record)
          this.#seenRevision = entry?.revision ?? null
          return { type: 'read', ticket: command.ticket, entry: entry && record && { record, revision: entry.revision } }
        })
        return
      case 'write':
        void this.#call(command.ticket, async (records) => {
          const { ticket, record, revision } = command
          const value = packRecord(record)
          const written = await (revision === null ? records.create(this.#key, value) : records.update(this.#key, value, revision))
          return written === null ? { type: 'refused', ticket } : { type: 'written', ticket, revision: written }
        })
        return
      case 'elected':
        onElected(command.epoch)
        return
      case 'suspended':
        onSuspended()
        return
      case 'resumed':
        onResumed()
        return
      case 'deposed':
        onDeposed(deposed(this.#state.epoch, command.epoch))
        return
      case 'finished':
        onFinished(command.record)
        return
      case 'stopped':
        return
    }
  }

  #standBy(record: LeaderRecord): void {
    if (this.#state.role !== 'standby' || record.state !== 'running' || record.coordinator === nobody) return
    if (record.coordinator === this.#named) return
    this.#named = record.coordinator
    this.#options.onStandingBy(record)
  }

  get #key(): string {
    return leaderKey(this.#options.runId)
  }

  /** One call to the store; whatever goes wrong is an answer too. */
  async #call(ticket: number, perform: (records: KeyValue) => Promise<LeadershipEvent>): Promise<void> {
    let event: LeadershipEvent
    try {
      event = await perform(await this.#open())
      this.#isUnreadable = false
    } catch (error) {
      event = { type: 'failed', ticket }
      this.#report(LetheError.from(error))
      if (error instanceof BusRefused && this.#state.role !== 'over') {
        this.#end()
        this.#state = { ...this.#state, role: 'over' }
        return this.#options.onRefused(mayNotLead(this.#options.cluster, error))
      }
    }
    if (this.#state.role !== 'over') this.#feed(event)
  }

  #open(): Promise<KeyValue> {
    this.#records ??= this.#options.bus.keyValue(leaderBucket(this.#options.cluster)).catch((error) => {
      this.#records = null
      throw error
    })
    return this.#records
  }

  /** Outages are usual and have their own words; a record that cannot be read needs a person, once. */
  #report(error: LetheError): void {
    const isOutage = error.code === 'BUS_UNAVAILABLE'
    if (isOutage || this.#isUnreadable) this.#options.log.debug({ error: error.format() }, 'the record of who leads could not be reached')
    else this.#options.log.warn({ error: error.format() }, 'the record of who leads could not be read or written')
    this.#isUnreadable = !isOutage
  }

  #end(): void {
    if (this.#timer) clearInterval(this.#timer)
    this.#timer = null
    this.#onStopped?.()
  }
}

/** What a user of NATS hears that is no coordinator's, or another cluster's. */
export function mayNotLead(cluster: string, { received, cause }: LetheError): LetheError {
  return new LetheError('BUS_UNAVAILABLE', {
    message: `this user may not lead in the cluster ${cluster}`,
    received,
    hint: 'Give the --bus-credentials of a coordinator of that --cluster; deploy/nats/users.js makes them.',
    cause,
  })
}

function deposed(own: number, epoch: number | null): LetheError {
  return new LetheError('RUN_DEPOSED', {
    message: epoch === null ? 'the record of who leads the run is gone' : 'another coordinator leads this run now',
    expected: `epoch ${own}`,
    received: epoch === null ? undefined : `epoch ${epoch}`,
  })
}
