import type { ErrorCode } from '../../protocol/errors.ts'
import type { Held, SessionSummary, Slice, StepFigures } from '../../protocol/messages.ts'
import type { Range } from '../planner.ts'
import type { Pace } from './pace.ts'

/*
 * The run as data. Version v means parameters after v updates; step s turns version s into version s+1. A member *follows* when it
 * holds the version of the run or gets every direction on the way to it; only a follower that has caught up is given work.
 */

export type Phase = 'gather' | 'measure' | 'train' | 'done' | 'failed'

export interface RunSettings {
  /** Updates of the whole run; 0 for a job that only evaluates. */
  readonly steps: number
  readonly microBatches: number
  readonly checkpointEvery: number
  readonly expectedWorkers: number
  /** Versions that are measured, ascending: training waits there until that is done. */
  readonly stops: readonly number[]
  /** Units of evaluation at each of them. */
  readonly units: number
  readonly reducer: 'central' | 'sharded'
  /** Every so many steps each range is computed by a second worker too, and compared; 0 for never. */
  readonly auditEvery: number
  /** False where a step repeated after a loss may give other bits: rounding on the wire keeps errors that die with their process. */
  readonly isExact: boolean
  /** Plans of this coordinator are numbered from here: above those of any earlier leader. */
  readonly firstEpoch: number
  /** Another coordinator led before: workers that it had may be on their way, and the first one to come need not be right. */
  readonly isSuccessor: boolean
}

export interface Member {
  readonly worker: string
  /** Digest of the parent's parameters as this worker read them. */
  readonly parentDigest: string
  readonly summary: SessionSummary
  /** What it brought from an earlier leader, or from before its connection broke. */
  held: Held | null
  follows: boolean
  /** Version of the state that it was given; while `version` is null, that state is on its way. */
  given: number
  /** Last version that it reported, null while it loads one. */
  version: number | null
  /** What its session holds until the state that was given is there; null where that is not known. */
  stale: number | null
  /** Micro-batches per millisecond. */
  speed: number | null
  /** Unit of evaluation that it works on. */
  unit: number | null
  /** It asked to leave: it gets no new work, and goes when it has none. */
  isLeaving: boolean
}

/** A range of the present plan in the hands of one worker. */
export interface Part extends Range {
  isDone: boolean
  /** Its micro-batches are also in other hands by now. */
  isAssisted: boolean
  since: number
}

export interface Plan {
  epoch: number
  step: number
  /** By worker; everyone who was sent the plan has an entry, whether or not it was given micro-batches. */
  parts: Map<string, Part[]>
  slices: Slice[] | null
  isAudited: boolean
}

export interface RunState {
  phase: Phase
  readonly settings: RunSettings
  /** The last version: `settings.steps`, or a stop at which the run had what it was for. */
  end: number
  /** By name, in the order in which they came. */
  members: Map<string, Member>
  /** Of the data and the forget set that the run began with; null until the first worker has told. */
  dataDigest: string | null
  /** When the first worker was ready; the wait for others is counted from here. */
  gatheringSince: number | null
  epoch: number
  /** Version of the run: so many directions have been released. */
  version: number
  /** The version whose commit is durable, and whose digest all followers share. */
  committed: number
  /** Highest version whose commit was handed to the journal. */
  issued: number
  /** Highest version that the journal holds; until there, steps are replayed and must give the same digests. */
  journaled: number
  /** Agreed digests from the last durable checkpoint on. */
  digests: Map<number, string>
  /** Followers that have not yet reported the version of the run. */
  awaited: Set<string>
  /** What followers say the parameters of the version are: digest → workers. */
  claims: Map<string, string[]>
  /** Claims of a version on which no majority agreed; it is computed again, and shows who was wrong. */
  contested: { version: number; claims: Map<string, string[]> } | null
  /** A range whose gradient two workers computed differently: everyone computes it, the majority is right. */
  trial: {
    epoch: number
    step: number
    start: number
    end: number
    votes: { worker: string; digest: string }[]
    missing: Set<string>
  } | null
  /** Latest version whose checkpoint is durable; 0 is the parent. */
  durable: number
  /** Latest version whose checkpoint was handed over to be written. */
  cut: number
  plan: Plan | null
  pace: Pace
  reduced: (StepFigures & { epoch: number; step: number }) | null
  /** Sharded: the direction of a step is on its way from its owners to these. */
  gathering: { epoch: number; step: number; missing: Set<string>; digest: string | null } | null
  /** Figures of the step that made the present version. */
  released: StepFigures | null
  export: { ticket: number; worker: string; version: number; checkpoint: boolean } | null
  tickets: number
  /** How often the run went back to repeat steps that may come out differently: what was measured before does not count. */
  rewinds: number
  /** By stop: units still to be given out, in the order in which they are. */
  pending: Map<number, number[]>
}

export type RunEvent =
  | { type: 'opened'; worker: string; summary: SessionSummary; parentDigest: string; held: Held | null }
  | { type: 'left'; worker: string; reason: string }
  | { type: 'leaving'; worker: string }
  | { type: 'at'; worker: string; version: number; digest: string }
  /** All of a worker's part [start, end) has arrived where it is reduced. */
  | { type: 'delivered'; worker: string; epoch: number; start: number; end: number; computeMs: number }
  | ({ type: 'reduced'; epoch: number; step: number } & StepFigures)
  | { type: 'gathered'; worker: string; epoch: number; digest: string }
  /** Two workers have different gradients of one range. */
  | { type: 'disputed'; epoch: number; step: number; start: number; end: number; claims: { worker: string; digest: string }[] }
  | { type: 'voted'; worker: string; epoch: number; digest: string }
  | { type: 'committed'; version: number }
  | { type: 'exported'; worker: string; ticket: number; version: number; digest: string }
  | { type: 'saved'; version: number }
  /** The answer to a unit is durable. */
  | { type: 'evaluated'; worker: string; version: number; unit: number; rewinds: number }
  /** What was measured at this stop says that there is nothing to go on for. Comes before the last `evaluated` of the stop. */
  | { type: 'enough'; version: number }
  | { type: 'tick' }

export type RunCommand =
  | { type: 'phase'; phase: Phase }
  /** `audits` are ranges to compute twice, with the worker that does it the second time. */
  | { type: 'plan'; epoch: number; step: number; ranges: Range[]; slices: Slice[] | null; audits: Range[] | null }
  | { type: 'assist'; epoch: number; step: number; ranges: Range[] }
  | { type: 'trial'; epoch: number; step: number; start: number; end: number; workers: string[] }
  /** Send the direction: all of it, or, where it is sharded, have its owners do so. */
  | { type: 'release'; epoch: number; step: number; workers: string[] }
  | { type: 'apply'; epoch: number; step: number; workers: string[] }
  | ({ type: 'commit'; version: number; digest: string; workers: number } & StepFigures)
  /** Forget the commits after this version. */
  | { type: 'rewind'; version: number }
  | { type: 'export'; worker: string; ticket: number; version: number; files: boolean }
  /** Write what the export with this ticket gave. */
  | { type: 'save'; ticket: number; version: number; last: boolean }
  | { type: 'sendState'; worker: string; version: number; ticket: number | null }
  /** `rewinds` comes back with `evaluated`. */
  | { type: 'evaluate'; worker: string; version: number; unit: number; rewinds: number }
  /** Part from a worker that did nothing wrong; it may join again. */
  | { type: 'part'; worker: string; reason: string }
  /** Part from a worker whose parameters are of no use any more: it joins again with the parent's. */
  | { type: 'restart'; worker: string; reason: string }
  /** Let a worker go that asked to. */
  | { type: 'excuse'; worker: string }
  /** Part from a worker that computes or reads something else. `step` where it computed something wrong. */
  | { type: 'dismiss'; worker: string; code: ErrorCode; message: string; step: number | null }
  | { type: 'fail'; code: ErrorCode; message: string }
  | { type: 'finish' }

export interface Decision {
  commands: RunCommand[]
  /** Why the run now does what it does, or waits; null where the event changes nothing of that. */
  reason: string | null
}

/** One name for what the items are and which of them are to be forgotten. */
export function dataDigest({ manifestDigest, forgetDigest }: SessionSummary): string {
  return `${manifestDigest} ${forgetDigest}`
}

/** What earlier coordinators of this run left in the journal. */
export interface Resumed {
  dataDigest: string | null
  durable: number
  journaled: number
  /** Digests of versions from `durable` on. */
  digests: Record<number, string>
  /** By stop. */
  evaluated: ReadonlyMap<number, ReadonlySet<number>>
  /** The stop at which the run had what it was for. */
  end: number | null
}

export function initialState(settings: RunSettings, resumed: Resumed): RunState {
  return {
    phase: 'gather',
    settings,
    end: resumed.end ?? settings.steps,
    members: new Map(),
    dataDigest: resumed.dataDigest,
    gatheringSince: null,
    epoch: settings.firstEpoch,
    version: resumed.durable,
    committed: resumed.durable,
    issued: resumed.journaled,
    journaled: resumed.journaled,
    digests: new Map(Object.entries(resumed.digests).map(([version, digest]) => [Number(version), digest])),
    awaited: new Set(),
    claims: new Map(),
    contested: null,
    trial: null,
    durable: resumed.durable,
    cut: resumed.durable,
    plan: null,
    pace: { ratios: [] },
    reduced: null,
    gathering: null,
    released: null,
    export: null,
    tickets: 0,
    rewinds: 0,
    pending: new Map(settings.stops.map((stop) => [stop, unitsOf(settings).filter((unit) => !resumed.evaluated.get(stop)?.has(unit))])),
  }
}

/** All units of a stop, in the order in which they are given out. */
export function unitsOf({ units }: RunSettings): number[] {
  return Array.from({ length: units }, (_, unit) => unit)
}

/** Is the version one to measure, with something left to do? */
export function isUnmeasured(state: RunState): boolean {
  const pending = state.pending.get(state.version)
  return pending !== undefined && (pending.length > 0 || someMember(state, ({ unit }) => unit !== null))
}

/** Without a copy of a thousand members, which several questions after each event would make. */
export function someMember(state: RunState, test: (member: Member) => boolean): boolean {
  for (const member of state.members.values()) if (test(member)) return true
  return false
}

export const hasFollowers = (state: RunState) => someMember(state, ({ follows }) => follows)

export const followersOf = (state: RunState): Member[] => [...state.members.values()].filter(({ follows }) => follows)

/** Followers that hold the version of the run, or the one before while a direction is on its way: those that are given work. */
export function activeMembers(state: RunState): Member[] {
  return [...state.members.values()].filter((member) => isActive(state, member))
}

export function isActive(state: RunState, { follows, version, isLeaving }: Member): boolean {
  return follows && !isLeaving && version !== null && version >= state.version - 1
}

export const isOwed = (part: Part) => !part.isDone && part.end > part.start

export function owesPart({ plan }: RunState, worker: string): boolean {
  return plan?.parts.get(worker)?.some(isOwed) ?? false
}

/** An owner that could have all pieces has its sums to make; one that waits for others need not move. */
function owesSlice({ plan, reduced }: RunState, worker: string): boolean {
  if (plan === null || reduced !== null || !plan.slices?.some((slice) => slice.worker === worker)) return false
  return [...plan.parts.values()].every((parts) => parts.every(({ isDone, start, end }) => isDone || end === start))
}

/** Does the run wait for this worker: for a version, a measurement, a state, a direction, or a part of a step? */
export function hasWork(state: RunState, worker: string): boolean {
  const member = state.members.get(worker)
  if (!member) return false
  const isBehind = member.follows && (member.version === null || member.version < state.version)
  const owesDirection = state.gathering?.missing.has(worker) || state.trial?.missing.has(worker)
  return (
    isBehind ||
    owesPart(state, worker) ||
    owesSlice(state, worker) ||
    owesDirection === true ||
    member.unit !== null ||
    state.export?.worker === worker
  )
}
