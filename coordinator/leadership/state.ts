import type { LeaderRecord } from '../../protocol/bus/subjects.ts'

/*
 * One coordinator's view of who leads the run, as data. The record in the key-value store is the lease: whoever wrote it last holds it,
 * and every write is a compare-and-set on the revision that was seen before.
 */

export interface LeadershipSettings {
  /** A record that stays the same for so long, by a standby's clock, has lost its leader. */
  readonly leaseMs: number
  /** A leader whose last renewal was sent so long ago gives no commands: less than the lease by what clocks may differ in speed. */
  readonly suspendMs: number
  readonly renewMs: number
  /** Between two looks at the record, and before a failed call is tried again. */
  readonly pollMs: number
  /** A call without an answer for so long is given up; it may have been carried out. */
  readonly answerMs: number
  /** For so long a leader tries to hand over. */
  readonly stopMs: number
}

export const leadershipSettings: LeadershipSettings = {
  leaseMs: 4000,
  suspendMs: 3000,
  renewMs: 1000,
  pollMs: 250,
  answerMs: 750,
  stopMs: 4000,
}

/** What this process writes of itself. */
export type Claimant = Pick<LeaderRecord, 'protocol' | 'runId' | 'coordinator' | 'url'>

export interface RecordEntry {
  record: LeaderRecord
  revision: number
}

export interface LeadershipState {
  readonly settings: LeadershipSettings
  readonly self: Claimant
  /** `suspended`: it led, and has to prove that it still does. `stopping`: it hands over. `over`: nothing more happens, for good. */
  role: 'standby' | 'leading' | 'suspended' | 'stopping' | 'over'
  /** A run that is finished at the first look is led once more. */
  startsOver: boolean
  /** As seen or written last. */
  entry: RecordEntry | null
  /** For how long the entry has been the same; and when it was looked at last. */
  silentMs: number
  readAt: number
  /** Of this process: claimed, or led with. 0 before the first claim. */
  epoch: number
  /** Highest epoch ever seen. */
  highestEpoch: number
  /** When the last successful write was sent: the lease runs from here. */
  renewedAt: number
  /** On its way to the store. */
  call: { ticket: number; type: 'read' | 'write'; record: LeaderRecord | null; sentAt: number } | null
  tickets: number
  /** What to do next, and when. */
  next: { type: 'read' | 'write'; at: number }
  stop: { finished: boolean; since: number } | null
}

export type LeadershipEvent =
  | { type: 'tick' }
  | { type: 'read'; ticket: number; entry: RecordEntry | null }
  | { type: 'written'; ticket: number; revision: number }
  /** The record was no longer at the revision. */
  | { type: 'refused'; ticket: number }
  /** No answer: the call may have been carried out. */
  | { type: 'failed'; ticket: number }
  | { type: 'stop'; finished: boolean }

export type LeadershipCommand =
  | { type: 'read'; ticket: number }
  /** Compare-and-set; revision null where there must be no record yet. */
  | { type: 'write'; ticket: number; record: LeaderRecord; revision: number | null }
  | { type: 'elected'; epoch: number }
  | { type: 'suspended' }
  | { type: 'resumed' }
  /** By the leader of this epoch; null where the record is gone. */
  | { type: 'deposed'; epoch: number | null }
  /** The run is over, as its last leader has written. */
  | { type: 'finished'; record: LeaderRecord }
  | { type: 'stopped' }

export interface LeadershipDecision {
  state: LeadershipState
  commands: LeadershipCommand[]
  /** Why this process does what it does, or waits. */
  reason: string
}

export function standby(self: Claimant, now: number, settings = leadershipSettings, startsOver = false): LeadershipState {
  return {
    settings,
    self,
    role: 'standby',
    startsOver,
    entry: null,
    silentMs: 0,
    readAt: now,
    epoch: 0,
    highestEpoch: 0,
    renewedAt: 0,
    call: null,
    tickets: 0,
    next: { type: 'read', at: now },
    stop: null,
  }
}

/** Whether commands may be given at this moment; to be asked before each, since any process may wake from a pause. */
export function leads({ role, renewedAt, settings }: LeadershipState, now: number): boolean {
  return role === 'leading' && now - renewedAt < settings.suspendMs
}
