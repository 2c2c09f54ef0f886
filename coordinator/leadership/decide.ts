import { type LeaderRecord, nobody } from '../../protocol/bus/subjects.ts'
import {
  type LeadershipCommand,
  type LeadershipDecision,
  type LeadershipEvent,
  type LeadershipState,
  leads,
  type RecordEntry,
} from './state.ts'

/**
 * Who leads, as a pure function: no clock, no store. Answers may come late, never, or after their call was carried out twice. A leader's
 * lease runs from when it *sent* its last successful write, a standby's wait from when it *saw* that write: so a leader is silent before
 * another one speaks, and the store's compare-and-set lets only one through.
 */
export function decide(before: LeadershipState, event: LeadershipEvent, now: number): LeadershipDecision {
  if (before.role === 'over') return { state: before, commands: [], reason: 'this process has no part in the run any more' }
  const state = structuredClone(before)
  const commands: LeadershipCommand[] = []
  const reason = absorb(state, event, now, commands)
  if (state.role === 'leading' && !leads(state, now)) {
    state.role = 'suspended'
    // What happened meanwhile, before anything is written.
    state.next = { type: 'read', at: now }
    commands.push({ type: 'suspended' })
  }
  call(state, now, commands)
  return { state, commands, reason }
}

function absorb(state: LeadershipState, event: LeadershipEvent, now: number, commands: LeadershipCommand[]): string {
  if (event.type === 'tick') return 'time passes'
  if (event.type === 'stop') return stop(state, event.finished, now, commands)
  const done = state.call
  if (done?.ticket !== event.ticket) return 'the answer to a call that was given up'
  state.call = null
  switch (event.type) {
    case 'read':
      return read(state, event.entry, now, commands)
    case 'written':
      return written(state, { record: done.record as LeaderRecord, revision: event.revision }, done.sentAt, now, commands)
    case 'refused':
      if (state.role === 'standby') state.entry = null
      state.next = { type: 'read', at: now }
      return 'the record has changed'
    case 'failed':
      state.next = { type: 'read', at: now + state.settings.pollMs }
      return 'the store does not answer'
  }
}

function stop(state: LeadershipState, finished: boolean, now: number, commands: LeadershipCommand[]): string {
  if (state.role === 'standby') return end(state, { type: 'stopped' }, commands, 'a standby stops')
  state.role = 'stopping'
  state.stop ??= { finished, since: now }
  state.next.at = now
  return 'the record is to be handed over'
}

function read(state: LeadershipState, entry: RecordEntry | null, now: number, commands: LeadershipCommand[]): string {
  const isSame = state.entry !== null && state.entry.revision === entry?.revision
  // Where this process or the store slept, the leader's silence is not known: no gap counts for more than two looks.
  state.silentMs = isSame ? state.silentMs + Math.min(now - state.readAt, 2 * state.settings.pollMs) : 0
  state.readAt = now
  state.entry = entry
  state.highestEpoch = Math.max(state.highestEpoch, entry?.record.epoch ?? 0)
  if (state.role === 'standby') return watch(state, entry?.record ?? null, now, commands)
  return defend(state, entry?.record ?? null, now, commands)
}

/** A standby has seen the record. */
function watch(state: LeadershipState, record: LeaderRecord | null, now: number, commands: LeadershipCommand[]): string {
  const isFinished = record?.state === 'finished'
  if (isFinished && !state.startsOver) return end(state, { type: 'finished', record }, commands, 'the run is over')
  state.startsOver = isFinished
  state.next = { type: 'write', at: now }
  if (record?.coordinator === state.self.coordinator) {
    state.epoch = record.epoch
    return 'a claim that was not answered has been carried out'
  }
  const isFree = record === null || isFinished || record.coordinator === nobody
  if (isFree || state.silentMs >= state.settings.leaseMs) {
    state.epoch = state.highestEpoch + 1
    return record === null ? 'nobody has led yet' : isFree ? 'the leader has ended' : 'the leader is silent'
  }
  state.next = { type: 'read', at: now + state.settings.pollMs }
  return `epoch ${record.epoch} leads`
}

/** A leader has seen the record, since it could not renew it or did not learn whether it did. */
function defend(state: LeadershipState, record: LeaderRecord | null, now: number, commands: LeadershipCommand[]): string {
  const isOwn = record?.coordinator === state.self.coordinator
  const isHandedOver = record?.epoch === state.epoch && (record.coordinator === nobody || (isOwn && record.state === 'finished'))
  if (state.role === 'stopping' && isHandedOver) return end(state, { type: 'stopped' }, commands, 'the record is handed over')
  // An older epoch is back where a server has lost its last writes; the younger one stays.
  if (isOwn || (record !== null && record.epoch < state.epoch)) {
    state.next = { type: 'write', at: now }
    return isOwn ? 'the record is still ours' : 'the store has forgotten this epoch'
  }
  if (state.role === 'stopping') return end(state, { type: 'stopped' }, commands, 'another coordinator leads already')
  if (record?.state === 'finished') return end(state, { type: 'finished', record }, commands, 'another coordinator has finished the run')
  return end(state, { type: 'deposed', epoch: record?.epoch ?? null }, commands, 'another coordinator leads')
}

function written(state: LeadershipState, entry: RecordEntry, sentAt: number, now: number, commands: LeadershipCommand[]): string {
  state.entry = entry
  state.renewedAt = sentAt
  state.next = { type: 'write', at: sentAt + state.settings.renewMs }
  if (state.role === 'stopping') {
    if (!isFinal(entry.record)) state.next.at = now
    else return end(state, { type: 'stopped' }, commands, 'the record is handed over')
  } else if (now - sentAt >= state.settings.suspendMs) {
    return 'the answer came too late to lead by'
  } else if (state.role === 'standby') {
    state.role = 'leading'
    commands.push({ type: 'elected', epoch: state.epoch })
  } else if (state.role === 'suspended') {
    state.role = 'leading'
    commands.push({ type: 'resumed' })
  }
  return 'the lease is renewed'
}

const isFinal = ({ coordinator, state }: LeaderRecord) => coordinator === nobody || state === 'finished'

function end(state: LeadershipState, command: LeadershipCommand, commands: LeadershipCommand[], reason: string): string {
  state.role = 'over'
  commands.push(command)
  return reason
}

/** The next call, where it is time and none is on its way. */
function call(state: LeadershipState, now: number, commands: LeadershipCommand[]): void {
  if (state.role === 'over') return
  if (state.stop && now - state.stop.since >= state.settings.stopMs) {
    end(state, { type: 'stopped' }, commands, '')
    return
  }
  if (state.call && now - state.call.sentAt >= state.settings.answerMs) {
    state.call = null
    state.next = { type: 'read', at: now }
  }
  if (state.call || now < state.next.at) return
  const { type } = state.next
  const ticket = state.tickets++
  const record = type === 'write' ? nextRecord(state) : null
  state.call = { ticket, type, record, sentAt: now }
  if (record) commands.push({ type: 'write', ticket, record, revision: state.entry?.revision ?? null })
  else commands.push({ type: 'read', ticket })
}

function nextRecord({ self, epoch, entry, stop }: LeadershipState): LeaderRecord {
  return {
    ...self,
    epoch,
    coordinator: stop && !stop.finished ? nobody : self.coordinator,
    state: stop?.finished ? 'finished' : 'running',
    renewals: (entry?.record.renewals ?? 0) + 1,
  }
}
