import { plan } from '../planner.ts'
import { askForState, checkpointDue, dropLaggards } from './members.ts'
import { activeMembers, type EvaluationPhase, type RunCommand, type RunState } from './state.ts'

/** How long the first worker waits for the others that were announced. */
export const gatherMs = 60_000

/** Moves on when a phase has all that it needs. Returns what the run waits for, or null where there is work to give out. */
export function advancePhase(state: RunState, now: number, commands: RunCommand[]): string | null {
  const active = activeMembers(state).length
  if (state.phase === 'gather') {
    if (active === 0) return 'waiting for a worker'
    state.gatheringSince ??= now
    const { expectedWorkers } = state.settings
    if (active < expectedWorkers && now - state.gatheringSince < gatherMs) return `waiting for workers: ${active} of ${expectedWorkers}`
    enter(state, state.version === 0 && state.pending.before.length > 0 ? 'before' : isTrained(state) ? 'after' : 'train', commands)
  }
  if (state.phase === 'before' && isEvaluated(state, 'before')) enter(state, 'train', commands)
  if (state.phase === 'train' && isTrained(state)) enter(state, 'after', commands)
  if (state.phase === 'after' && isEvaluated(state, 'after')) {
    enter(state, 'done', commands)
    commands.push({ type: 'finish' })
    return 'everything is done'
  }
  return active === 0 ? 'waiting for a worker' : null
}

function enter(state: RunState, phase: RunState['phase'], commands: RunCommand[]): void {
  state.phase = phase
  commands.push({ type: 'phase', phase })
}

const isEvaluated = (state: RunState, phase: EvaluationPhase) =>
  state.pending[phase].length === 0 && state.members.every(({ unit }) => unit === null)

function isTrained({ version, committed, durable, settings }: RunState): boolean {
  return version === settings.steps && committed === version && durable === version
}

/** One unit at a time for each worker that holds the version to be measured. */
export function handOutUnits(state: RunState, phase: EvaluationPhase, commands: RunCommand[]): string {
  const idle = activeMembers(state).filter(({ unit, version }) => unit === null && version === state.version)
  for (const member of idle) {
    const unit = state.pending[phase].shift()
    if (unit === undefined) break
    member.unit = unit
    commands.push({ type: 'evaluate', worker: member.worker, phase, unit })
  }
  return `measuring ${phase} training`
}

/** Commits what everyone has applied, releases what is reduced, plans what comes next, as far as each may go now. */
export function advanceSteps(state: RunState, commands: RunCommand[]): string {
  commit(state, commands)
  if (state.reduced !== null && mayRelease(state)) {
    const { step, losses, norms, updateNorm } = state.reduced
    dropLaggards(state, commands)
    const workers = state.members.filter(({ follows }) => follows).map(({ worker }) => worker)
    commands.push({ type: 'release', step, workers })
    state.released = { losses, norms, updateNorm }
    state.version = step + 1
    state.plan = null
    state.reduced = null
  }
  askForState(state, commands)
  return planStep(state, commands)
}

/** A version is committed once every follower has reported its digest; one that the journal already holds need only be equal. */
function commit(state: RunState, commands: RunCommand[]): void {
  const { version } = state
  if (state.committed >= version) return
  const followers = state.members.filter((member) => member.follows && member.version !== null)
  if (followers.length === 0 || followers.some((member) => member.version !== version)) return
  if (version <= state.journaled) {
    state.committed = version
    return
  }
  if (version <= state.issued || state.released === null) return
  state.issued = version
  commands.push({ type: 'commit', version, digest: state.digests[version].digest, workers: followers.length, ...state.released })
}

/** The parameters of a version must be agreed, and copied where somebody needs them, before they change. */
function mayRelease(state: RunState): boolean {
  return state.committed === state.version && state.export === null && !checkpointDue(state)
}

function planStep(state: RunState, commands: RunCommand[]): string {
  const { version, settings } = state
  if (version === settings.steps) return 'finishing the last step'
  if (state.plan !== null) return `step ${version}`
  const members = activeMembers(state)
  if (members.length === 0) return 'waiting for a worker to load its state'
  state.epoch += 1
  state.plan = { epoch: state.epoch, step: version, ranges: plan(members, settings.microBatches) }
  commands.push({ type: 'plan', ...state.plan })
  return `step ${version}`
}
