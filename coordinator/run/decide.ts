import type { LetheError } from '../../protocol/errors.ts'
import { admit, agree, depart, measure, sendState, sourceStates } from './members.ts'
import { advancePhase, advanceSteps, handOutUnits } from './progress.ts'
import type { Decision, RunCommand, RunEvent, RunState } from './state.ts'

/**
 * The whole run as a pure function: no input or output, no clock, no randomness. Events may come late, twice or in any order between
 * workers; a step is committed once, and the run never waits for a worker that has left.
 */
export function decide(before: RunState, event: RunEvent, now: number): Decision {
  if (before.phase === 'done' || before.phase === 'failed') return { state: before, commands: [], reason: 'the run is over' }
  const state = structuredClone(before)
  const commands: RunCommand[] = []
  try {
    absorb(state, event, commands)
    const reason = advance(state, now, commands)
    return { state, commands, reason }
  } catch (error) {
    const { code, message } = error as LetheError
    if (code === undefined) throw error
    state.phase = 'failed'
    commands.push({ type: 'fail', code, message })
    return { state, commands, reason: message }
  }
}

function absorb(state: RunState, event: RunEvent, commands: RunCommand[]): void {
  switch (event.type) {
    case 'opened':
      admit(state, event, commands)
      return
    case 'left':
      depart(state, event.worker)
      return
    case 'at':
      agree(state, event)
      return
    case 'reduced':
      if (state.plan?.epoch !== event.epoch || state.plan.step !== event.step) return
      measure(state, event.computeMs)
      state.reduced = { epoch: event.epoch, step: event.step, losses: event.losses, norms: event.norms, updateNorm: event.updateNorm }
      return
    case 'committed':
      state.journaled = Math.max(state.journaled, event.version)
      return
    case 'exported':
      if (state.export?.ticket !== event.ticket) return
      agree(state, event)
      if (state.export.checkpoint) {
        state.cut = event.version
        commands.push({ type: 'save', ticket: event.ticket, version: event.version, last: event.version === state.settings.steps })
      }
      for (const member of state.members.filter(({ follows }) => !follows)) sendState(member, event.version, event.ticket, commands)
      state.export = null
      return
    case 'saved':
      state.durable = Math.max(state.durable, event.version)
      state.cut = Math.max(state.cut, state.durable)
      for (const version of Object.keys(state.digests)) if (Number(version) < state.durable) delete state.digests[Number(version)]
      return
    case 'evaluated': {
      const member = state.members.find(({ worker }) => worker === event.worker)
      if (member?.unit === event.unit) member.unit = null
      state.pending[event.phase] = state.pending[event.phase].filter((unit) => unit !== event.unit)
      return
    }
    case 'tick':
      return
  }
}

function advance(state: RunState, now: number, commands: RunCommand[]): string {
  sourceStates(state, commands)
  const waiting = advancePhase(state, now, commands)
  if (waiting !== null) return waiting
  if (state.phase === 'train') return advanceSteps(state, commands)
  if (state.phase === 'before' || state.phase === 'after') return handOutUnits(state, state.phase, commands)
  return 'the run is over'
}
