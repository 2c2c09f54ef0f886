import type { ErrorCode } from '../../protocol/errors.ts'
import type { SessionSummary } from '../../protocol/messages.ts'
import type { Range } from '../planner.ts'

/*
 * The run as data. Version v means parameters after v updates; step s turns version s into version s+1. A member *follows* when it
 * holds the version of the run or gets every direction on the way to it; only a follower that has caught up is given work.
 */

export type Phase = 'gather' | 'before' | 'train' | 'after' | 'done' | 'failed'
export type EvaluationPhase = 'before' | 'after'

export interface RunSettings {
  /** Updates of the whole run; 0 for a job that only evaluates. */
  readonly steps: number
  readonly microBatches: number
  readonly checkpointEvery: number
  readonly expectedWorkers: number
  /** Units of evaluation in each phase. */
  readonly units: Readonly<Record<EvaluationPhase, number>>
}

export interface Member {
  readonly worker: string
  /** Digest of the parent's parameters as this worker read them. */
  readonly parentDigest: string
  summary: SessionSummary
  follows: boolean
  /** Version of the state that it was given; while `version` is null, that state is on its way. */
  given: number
  /** Last version that it reported, null while it loads one. */
  version: number | null
  /** Micro-batches per millisecond. */
  speed: number | null
  /** Unit of evaluation that it works on. */
  unit: number | null
}

/** What a step gave, beside the direction. */
export interface StepFigures {
  losses: Record<string, number>
  /** Norm of each reduced channel. */
  norms: Record<string, number>
  /** Norm of the combined direction before it is clipped. */
  updateNorm: number
}

export interface RunState {
  phase: Phase
  readonly settings: RunSettings
  members: Member[]
  /** Of the data and the forget set that the run began with; null until the first worker has told. */
  dataDigest: string | null
  /** When the first worker was ready; the wait for the expected ones is counted from here. */
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
  /** Digests from the last durable checkpoint on, with the worker that reported each first. */
  digests: Record<number, { digest: string; worker: string }>
  /** Latest version whose checkpoint is durable; 0 is the parent. */
  durable: number
  /** Latest version whose checkpoint was handed over to be written. */
  cut: number
  plan: { epoch: number; step: number; ranges: Range[] } | null
  reduced: (StepFigures & { epoch: number; step: number }) | null
  /** Figures of the step that made the present version. */
  released: StepFigures | null
  export: { ticket: number; worker: string; version: number; checkpoint: boolean } | null
  tickets: number
  /** Units still to be given out, in the order in which they are. */
  pending: Record<EvaluationPhase, number[]>
}

export type RunEvent =
  | { type: 'opened'; worker: string; summary: SessionSummary; digest: string }
  | { type: 'left'; worker: string; reason: string }
  | { type: 'at'; worker: string; version: number; digest: string }
  | ({ type: 'reduced'; epoch: number; step: number; computeMs: Record<string, number> } & StepFigures)
  | { type: 'committed'; version: number }
  | { type: 'exported'; worker: string; ticket: number; version: number; digest: string }
  | { type: 'saved'; version: number }
  | { type: 'evaluated'; worker: string; phase: EvaluationPhase; unit: number }
  | { type: 'tick' }

export type RunCommand =
  | { type: 'phase'; phase: Phase }
  | { type: 'plan'; epoch: number; step: number; ranges: Range[] }
  | { type: 'release'; step: number; workers: string[] }
  | ({ type: 'commit'; version: number; digest: string; workers: number } & StepFigures)
  | { type: 'export'; worker: string; ticket: number; version: number; files: boolean }
  /** Write what the export with this ticket gave. */
  | { type: 'save'; ticket: number; version: number; last: boolean }
  | { type: 'sendState'; worker: string; version: number; ticket: number | null }
  | { type: 'evaluate'; worker: string; phase: EvaluationPhase; unit: number }
  /** Part from a worker that did nothing wrong; it may join again. */
  | { type: 'part'; worker: string; reason: string }
  | { type: 'dismiss'; worker: string; code: ErrorCode; message: string }
  | { type: 'fail'; code: ErrorCode; message: string }
  | { type: 'finish' }

export interface Decision {
  state: RunState
  commands: RunCommand[]
  /** Why the run now does what it does, or waits. */
  reason: string
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
  evaluated: Readonly<Record<EvaluationPhase, ReadonlySet<number>>>
}

export function initialState(settings: RunSettings, resumed: Resumed): RunState {
  const pending = (phase: EvaluationPhase) =>
    Array.from({ length: settings.units[phase] }, (_, unit) => unit).filter((unit) => !resumed.evaluated[phase].has(unit))
  return {
    phase: 'gather',
    settings,
    members: [],
    dataDigest: resumed.dataDigest,
    gatheringSince: null,
    epoch: 0,
    version: resumed.durable,
    committed: resumed.durable,
    issued: resumed.journaled,
    journaled: resumed.journaled,
    digests: Object.fromEntries(Object.entries(resumed.digests).map(([version, digest]) => [version, { digest, worker: 'the journal' }])),
    durable: resumed.durable,
    cut: resumed.durable,
    plan: null,
    reduced: null,
    released: null,
    export: null,
    tickets: 0,
    pending: { before: pending('before'), after: pending('after') },
  }
}

/** Followers that hold the version of the run, or the one before while a direction is on its way: those that are given work. */
export function activeMembers(state: RunState): Member[] {
  return state.members.filter((member) => member.follows && member.version !== null && member.version >= state.version - 1)
}

/**
 * Does the run wait for this worker: for a version, a measurement, a state, or the partials of its range? Only the reducer knows which
 * partials are missing: `awaitsPartials`.
 */
export function hasWork(state: RunState, worker: string, awaitsPartials: (worker: string) => boolean): boolean {
  const member = state.members.find((one) => one.worker === worker)
  if (!member) return false
  const isBehind = member.follows && (member.version === null || member.version < state.version)
  return isBehind || member.unit !== null || state.export?.worker === worker || (state.plan !== null && awaitsPartials(worker))
}
