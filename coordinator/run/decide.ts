import { LetheError } from '../../protocol/errors.ts'
import { closeTrial, openTrial, report, vote } from './agreement.ts'
import { admit, askForState, depart, excuse, sendState, sourceStates } from './members.ts'
import { deliver, helpStragglers } from './parts.ts'
import { advancePhase, awaitGathering, handOutUnits } from './progress.ts'
import type { Decision, RunCommand, RunEvent, RunState } from './state.ts'
import { advanceSteps, settle } from './steps.ts'

/**
 * The whole run as a function of its state and what happens: no input or output, no clock, no randomness. `state` is taken over and
 * changed; that an event costs no copy of it is what makes a thousand workers possible. Events may come late, twice or in any order
 * between workers; a step is committed once, and the run never waits for a worker that has left.
 */
export function decide(state: RunState, event: RunEvent, now: number): Decision {
  if (state.phase === 'done' || state.phase === 'failed') return { commands: [], reason: 'the run is over' }
  const commands: RunCommand[] = []
  try {
    const isNews = absorb(state, event, now, commands)
    return { commands, reason: isNews ? advance(state, now, commands) : null }
  } catch (error) {
    if (!(error instanceof LetheError)) throw error
    const { code, message } = error
    state.phase = 'failed'
    commands.push({ type: 'fail', code, message })
    return { commands, reason: message }
  }
}

/** Returns false where nothing can follow from the event: the many reports of one step cost little each, but for the last one. */
function absorb(state: RunState, event: RunEvent, now: number, commands: RunCommand[]): boolean {
  switch (event.type) {
    case 'opened':
      admit(state, event, commands)
      return true
    case 'left':
      depart(state, event.worker, now, commands)
      return true
    case 'leaving': {
      const member = state.members.get(event.worker)
      if (member) member.isLeaving = true
      return true
    }
    case 'at': {
      const wasLoading = state.members.get(event.worker)?.version === null
      report(state, event, now, commands)
      return wasLoading || state.awaited.size === 0
    }
    case 'delivered':
      deliver(state, event)
      return false
    case 'reduced':
      if (state.plan?.epoch !== event.epoch || state.plan.step !== event.step) return false
      state.reduced = { epoch: event.epoch, step: event.step, losses: event.losses, norms: event.norms, updateNorm: event.updateNorm }
      return true
    case 'gathered':
      return gather(state, event)
    case 'disputed':
      openTrial(state, event, commands)
      return true
    case 'voted':
      vote(state, event)
      return state.trial?.missing.size === 0
    case 'committed':
      state.journaled = Math.max(state.journaled, event.version)
      if (event.version === state.version) state.committed = event.version
      return true
    case 'exported':
      exported(state, event, now, commands)
      return true
    case 'saved':
      state.durable = Math.max(state.durable, event.version)
      state.cut = Math.max(state.cut, state.durable)
      for (const version of [...state.digests.keys()]) if (version < state.durable) state.digests.delete(version)
      return true
    case 'evaluated':
      if (event.rewinds !== state.rewinds) return false
      // Whoever has the same unit, because the first one left before its answer was written, need not go on with it.
      for (const member of state.members.values()) if (member.unit === event.unit) member.unit = null
      state.pending.set(
        event.version,
        (state.pending.get(event.version) ?? []).filter((unit) => unit !== event.unit),
      )
      return true
    case 'enough':
      state.end = Math.min(state.end, event.version)
      return false
    case 'tick':
      helpStragglers(state, now, commands)
      return true
  }
}

/** Everyone must have the same direction before anyone applies it; where they differ, the step is computed again. */
function gather(state: RunState, { worker, epoch, digest }: Extract<RunEvent, { type: 'gathered' }>): boolean {
  const { gathering } = state
  if (gathering?.epoch !== epoch || !gathering.missing.delete(worker)) return false
  gathering.digest ??= digest
  if (gathering.digest !== digest) {
    state.gathering = null
    state.reduced = null
    state.plan = null
    return true
  }
  return gathering.missing.size === 0
}

function exported(state: RunState, event: Extract<RunEvent, { type: 'exported' }>, now: number, commands: RunCommand[]): void {
  if (state.export?.ticket !== event.ticket) return
  const { checkpoint } = state.export
  state.export = null
  report(state, event, now, commands)
  // Its parameters are not what was agreed: another one is asked.
  if (!state.members.has(event.worker)) return
  if (checkpoint) {
    state.cut = event.version
    commands.push({ type: 'save', ticket: event.ticket, version: event.version, last: event.version === state.end })
  }
  for (const member of state.members.values())
    if (!member.follows && !member.isLeaving) sendState(member, event.version, event.ticket, commands)
}

function advance(state: RunState, now: number, commands: RunCommand[]): string {
  const gathering = awaitGathering(state, now, commands)
  if (gathering !== null) return gathering
  sourceStates(state, commands)
  closeTrial(state, now, commands)
  settle(state, now, commands)
  excuse(state, now, commands)
  const waiting = advancePhase(state, commands)
  if (waiting !== null) return waiting
  if (state.phase === 'train') return advanceSteps(state, now, commands)
  if (state.phase === 'measure') {
    askForState(state, commands)
    return handOutUnits(state, commands)
  }
  return 'the run is over'
}
