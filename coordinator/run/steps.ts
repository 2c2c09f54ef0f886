import { sliceBorders } from '../../protocol/blocks.ts'
import { plan, type Range } from '../planner.ts'
import { judge } from './agreement.ts'
import { askForState, checkpointDue, dropLaggards, goBack, sourceStates, wouldMislead } from './members.ts'
import { activeMembers, followersOf, isUnmeasured, type Member, type RunCommand, type RunState } from './state.ts'

/** Commits what everyone has applied, releases what is reduced, plans what comes next, as far as each may go now. */
export function advanceSteps(state: RunState, now: number, commands: RunCommand[]): string {
  release(state, now, commands)
  if (state.gathering !== null && state.gathering.missing.size === 0) {
    const { epoch, step } = state.gathering
    state.gathering = null
    state.plan = null
    commands.push({ type: 'apply', epoch, step, workers: turnVersion(state, step) })
  }
  askForState(state, commands)
  return planStep(state, now, commands)
}

/** Settles what the parameters of the version are, and has it journaled; a version that the journal holds need only be equal. */
export function settle(state: RunState, now: number, commands: RunCommand[]): void {
  const { version } = state
  if (state.committed >= version || state.awaited.size > 0 || state.claims.size === 0) return
  const workers = [...state.claims.values()].reduce((sum, claimants) => sum + claimants.length, 0)
  if (!judge(state, now, commands)) {
    goBack(state, commands)
    sourceStates(state, commands)
    return
  }
  if (version <= state.journaled) {
    state.committed = version
  } else if (version > state.issued && state.released !== null) {
    state.issued = version
    commands.push({ type: 'commit', version, digest: state.digests.get(version) as string, workers, ...state.released })
  }
}

/** The parameters of a version must be agreed, and copied where somebody needs them, before they change. */
function mayRelease(state: RunState): boolean {
  if (state.committed !== state.version || state.export !== null || state.gathering !== null) return false
  return !checkpointDue(state) && !wouldMislead(state)
}

function release(state: RunState, now: number, commands: RunCommand[]): void {
  if (state.reduced === null || !mayRelease(state)) return
  dropLaggards(state, now, commands)
  // Whoever was dropped may have owned a slice.
  if (state.reduced === null) return
  const { epoch, step } = state.reduced
  const workers = followersOf(state).map(({ worker }) => worker)
  commands.push({ type: 'release', epoch, step, workers })
  if (state.settings.reducer === 'sharded') {
    state.gathering = { epoch, step, missing: new Set(workers), digest: null }
    return
  }
  state.plan = null
  turnVersion(state, step)
}

/** The direction of a step is out for good. Returns who gets it. */
function turnVersion(state: RunState, step: number): string[] {
  const { reduced } = state
  const followers = followersOf(state)
  state.released = reduced && { losses: reduced.losses, norms: reduced.norms, updateNorm: reduced.updateNorm }
  state.reduced = null
  state.version = step + 1
  state.claims.clear()
  state.awaited = new Set(followers.filter(({ version }) => version !== null).map(({ worker }) => worker))
  return followers.map(({ worker }) => worker)
}

function planStep(state: RunState, now: number, commands: RunCommand[]): string {
  const { version, settings } = state
  if (version === state.end) return 'finishing the last step'
  if (isUnmeasured(state)) return `finishing step ${version - 1}, which is measured next`
  if (state.trial !== null) return `finding out who errs in step ${version}`
  if (state.plan !== null) return `step ${version}`
  const members = activeMembers(state)
  if (members.length === 0) return 'waiting for a worker to load its state'
  state.epoch += 1
  const ranges = plan(members, settings.microBatches)
  const isAudited = settings.auditEvery > 0 && version % settings.auditEvery === 0 && members.length > 1
  const slices = settings.reducer === 'sharded' ? sliceBorders(members[0].summary.parameterCount, members) : null
  const parts = new Map(
    ranges.map((range) => [range.worker, [{ ...range, isDone: range.start === range.end, isAssisted: false, since: now }]]),
  )
  state.plan = { epoch: state.epoch, step: version, parts, slices, isAudited }
  commands.push({ type: 'plan', epoch: state.epoch, step: version, ranges, slices, audits: isAudited ? auditsOf(ranges, members) : null })
  return `step ${version}`
}

/** Every range is computed again by the next worker in the circle. */
function auditsOf(ranges: readonly Range[], members: readonly Member[]): Range[] {
  return ranges
    .map(({ start, end }, i) => ({ worker: members[(i + 1) % members.length].worker, start, end }))
    .filter(({ start, end }) => end > start)
}
