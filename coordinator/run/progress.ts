import { adopt } from './members.ts'
import { activeMembers, hasFollowers, isUnmeasured, type RunCommand, type RunState } from './state.ts'

/** How long the first worker waits for the others that were announced. */
export const gatherMs = 60_000
/** The same where workers come back from an earlier leader: those who live are there soon. */
export const regroupMs = 1500

/** Is the run still waiting for its first workers? Returns why, or null. */
export function awaitGathering(state: RunState, now: number, commands: RunCommand[]): string | null {
  if (state.phase !== 'gather') return null
  const ready = state.members.size
  if (ready === 0) return 'waiting for a worker'
  state.gatheringSince ??= now
  const isUnderWay = [...state.members.values()].some(({ held }) => held !== null && held.version > 0)
  const patienceMs = isUnderWay ? regroupMs : gatherMs
  const { expectedWorkers } = state.settings
  if (ready < expectedWorkers && now - state.gatheringSince < patienceMs) return `waiting for workers: ${ready} of ${expectedWorkers}`
  adopt(state, commands)
  enter(state, phaseNow(state), commands)
  return null
}

/** Moves on when a phase has all that it needs. Returns what the run waits for, or null where there is work to give out. */
export function advancePhase(state: RunState, commands: RunCommand[]): string | null {
  const phase = phaseNow(state)
  if (phase !== state.phase) enter(state, phase, commands)
  if (phase === 'done') {
    commands.push({ type: 'finish' })
    return 'everything is done'
  }
  return hasFollowers(state) ? null : 'waiting for a worker'
}

function enter(state: RunState, phase: RunState['phase'], commands: RunCommand[]): void {
  state.phase = phase
  commands.push({ type: 'phase', phase })
}

/** A version is measured once it is agreed; the last one, once it is on the disk. */
function phaseNow(state: RunState): 'measure' | 'train' | 'done' {
  const { version, committed, durable, end } = state
  const isSettled = committed === version && (version < end || durable === version)
  if (isSettled && isUnmeasured(state)) return 'measure'
  return isSettled && version === end ? 'done' : 'train'
}

/** One unit at a time for each worker that holds the version to be measured. */
export function handOutUnits(state: RunState, commands: RunCommand[]): string {
  const idle = activeMembers(state).filter(({ unit, version }) => unit === null && version === state.version)
  for (const member of idle) {
    const unit = state.pending.get(state.version)?.shift()
    if (unit === undefined) break
    member.unit = unit
    commands.push({ type: 'evaluate', worker: member.worker, version: state.version, unit, rewinds: state.rewinds })
  }
  return `measuring version ${state.version}`
}
