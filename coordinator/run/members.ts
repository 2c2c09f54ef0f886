import { LetheError } from '../../protocol/errors.ts'
import type { Held } from '../../protocol/messages.ts'
import { reassign } from './parts.ts'
import {
  dataDigest,
  followersOf,
  hasFollowers,
  isActive,
  type Member,
  owesPart,
  type RunCommand,
  type RunEvent,
  type RunState,
  someMember,
  unitsOf,
} from './state.ts'

type EventOf<Type extends RunEvent['type']> = Extract<RunEvent, { type: Type }>

/**
 * A worker has opened the job: it joins if it reads the same data and model as the others.
 * @throws LetheError DATA_CHANGED where a resumed run finds other data at its start: then the data changed, and not one worker errs.
 */
export function admit(state: RunState, { worker, summary, parentDigest, held }: EventOf<'opened'>, commands: RunCommand[]): void {
  if (state.members.has(worker)) return
  const [peer] = state.members.values()
  const refuse = (code: 'DATA_CHANGED' | 'COMPUTE_DIGEST', message: string) =>
    commands.push({ type: 'dismiss', worker, code, message: `${worker} ${message}`, step: null })
  if (state.dataDigest !== null && state.dataDigest !== dataDigest(summary)) {
    if (!peer && state.phase === 'gather' && !state.settings.isSuccessor)
      throw new LetheError('DATA_CHANGED', { message: 'the data or the forget set are not those that the run began with' })
    return void refuse('DATA_CHANGED', 'reads other data, or another forget set, than the run')
  }
  if (peer) {
    if (peer.summary.engine !== summary.engine)
      return void refuse('COMPUTE_DIGEST', `computes with ${summary.engine}, the run with ${peer.summary.engine}`)
    if (peer.parentDigest !== parentDigest) return void refuse('COMPUTE_DIGEST', 'reads other parameters than the run from the same files')
  }
  state.dataDigest = dataDigest(summary)
  state.members.set(worker, {
    worker,
    parentDigest,
    summary,
    held: held ?? { version: 0, digest: parentDigest, figures: null },
    follows: false,
    given: 0,
    version: null,
    stale: held?.version ?? 0,
    speed: null,
    unit: null,
    isLeaving: false,
  })
}

/** A worker is gone: its unit goes back, its parts of a step go to others. */
export function depart(state: RunState, worker: string, now: number, commands: RunCommand[]): void {
  const member = state.members.get(worker)
  if (!member) return
  state.members.delete(worker)
  state.awaited.delete(worker)
  state.trial?.missing.delete(worker)
  state.gathering?.missing.delete(worker)
  if (member.unit !== null) state.pending.get(state.version)?.unshift(member.unit)
  if (state.export?.worker === worker) state.export = null
  reassign(state, worker, now, commands)
}

/** May the run go on from this, where nobody follows? What the journal does not know yet must bring the figures of its step. */
function isSource(state: RunState, held: Held): boolean {
  if (held.version < state.durable || held.version > state.settings.steps) return false
  // Before a run went back it may have been further: what is to be measured on the way must be passed again.
  if (state.settings.stops.some((stop) => stop < held.version && (state.pending.get(stop)?.length ?? 0) > 0)) return false
  const known = state.digests.get(held.version)
  if (known !== undefined && known !== held.digest) return false
  if (held.version > state.journaled) return held.version === state.journaled + 1 && held.figures !== null
  return known !== undefined || held.version === 0
}

/** Is this the version of the run? Where a repeated step may give other bits, only a digest tells. */
function isPresent(state: RunState, held: Held): boolean {
  if (held.version !== state.version) return false
  const known = state.digests.get(held.version)
  return known === undefined ? held.version === 0 || state.settings.isExact : known === held.digest
}

/**
 * Where nobody follows, the run goes on from the highest version that a worker holds, else from the last checkpoint, and replays.
 * @returns false while something that will tell where is still on its way to the disk.
 */
export function adopt(state: RunState, commands: RunCommand[]): boolean {
  if (hasFollowers(state)) return true
  const sources = [...state.members.values()].flatMap(({ held }) => (held && isSource(state, held) ? [held] : []))
  const version = sources.reduce((highest, held) => Math.max(highest, held.version), state.durable)
  state.plan = null
  state.reduced = null
  state.gathering = null
  state.trial = null
  state.export = null
  state.awaited.clear()
  state.claims.clear()
  const isBeingSaved = state.cut > state.durable && version < state.cut
  const mayDiffer = !state.settings.isExact
  if (isBeingSaved || (mayDiffer && state.issued > state.journaled)) return false
  const source = sources.find((held) => held.version === version)
  state.version = version
  state.committed = version <= state.journaled ? version : version - 1
  state.released = source?.figures ?? null
  if (!mayDiffer) return true
  // Of two that hold this version from two leaders, one counts.
  if (source) state.digests.set(version, source.digest)
  if (version >= state.issued) return true
  state.issued = version
  state.journaled = version
  for (const later of [...state.digests.keys()]) if (later > version) state.digests.delete(later)
  for (const stop of state.settings.stops) if (stop > version) state.pending.set(stop, unitsOf(state.settings))
  if (state.end > version) state.end = state.settings.steps
  state.rewinds += 1
  commands.push({ type: 'rewind', version })
  return true
}

/** Gives every newcomer the version of the run: what it holds, the last checkpoint, or (`askForState`) a peer's state. */
export function sourceStates(state: RunState, commands: RunCommand[]): void {
  // Whoever joins while a direction is handed out would miss it.
  if (!adopt(state, commands) || state.gathering !== null) return
  for (const member of state.members.values()) {
    if (member.follows || member.isLeaving) continue
    const { held } = member
    if (held !== null && isPresent(state, held)) follow(state, member)
    else if (state.version === state.durable && state.version > 0) sendState(member, state.version, null, commands)
    else if (state.version === 0) restart(state, member, commands)
  }
}

/** It holds the version of the run already. */
function follow(state: RunState, member: Member): void {
  const { digest } = member.held ?? { digest: '' }
  member.follows = true
  member.version = state.version
  if (state.committed === state.version) {
    if (!state.digests.has(state.version)) state.digests.set(state.version, digest)
    return
  }
  const claimed = state.claims.get(digest)
  if (claimed) claimed.push(member.worker)
  else state.claims.set(digest, [member.worker])
}

/** The run begins anew, and this worker has moved on: it must read the parent's files again. */
function restart(state: RunState, member: Member, commands: RunCommand[]): void {
  state.members.delete(member.worker)
  commands.push({ type: 'restart', worker: member.worker, reason: 'the run starts from its parent again' })
}

/** Nobody knows what the parameters are: all go back to the last checkpoint, and find out who was wrong. */
export function goBack(state: RunState, commands: RunCommand[]): void {
  for (const member of state.members.values()) {
    member.follows = false
    member.stale = member.version
    member.version = null
    member.held = null
  }
  for (const version of [...state.digests.keys()]) if (version > state.journaled) state.digests.delete(version)
  adopt(state, commands)
}

/** From now on it gets every direction too, and applies them when the state is there. */
export function sendState(member: Member, version: number, ticket: number | null, commands: RunCommand[]): void {
  member.follows = true
  member.given = version
  member.held = null
  commands.push({ type: 'sendState', worker: member.worker, version, ticket })
}

const mostLag = 64
const leastLag = 4
/** What directions may hold that wait for one worker. */
const lagBytes = 256 * 2 ** 20

const maxLag = ({ summary }: Member) => Math.min(mostLag, Math.max(leastLag, Math.floor(lagBytes / (4 * summary.parameterCount))))

/**
 * Parts from those whose state takes so long that directions would pile up behind it, here and there: whoever needs several steps for a
 * state could hardly keep up with a direction in each.
 */
export function dropLaggards(state: RunState, now: number, commands: RunCommand[]): void {
  for (const member of followersOf(state))
    if (member.version === null && state.version - member.given >= maxLag(member)) {
      depart(state, member.worker, now, commands)
      commands.push({ type: 'part', worker: member.worker, reason: `${state.version - member.given} steps behind while it loaded` })
    }
}

/** A direction must not reach a worker that waits for a state while its session is still at the version that the direction changes. */
export function wouldMislead(state: RunState): boolean {
  return someMember(state, ({ follows, version, stale }) => follows && version === null && (stale === null || stale === state.version))
}

/** Is the only copy of this version about to leave? Then it is saved first. */
function isLeavingAlone(state: RunState): boolean {
  if (state.version <= state.cut || !someMember(state, ({ follows, isLeaving }) => follows && isLeaving)) return false
  return !someMember(state, (member) => isActive(state, member))
}

/** Is this version one to keep, and not handed over yet? */
export function checkpointDue(state: RunState): boolean {
  const { version, settings } = state
  if (version <= state.cut || version === 0) return false
  return version % settings.checkpointEvery === 0 || version === state.end || isLeavingAlone(state)
}

/** Asks one worker for the state of a committed version, for the disk or for newcomers; nobody moves on until it is here. */
export function askForState(state: RunState, commands: RunCommand[]): void {
  if (state.committed !== state.version || state.gathering !== null) return
  const checkpoint = checkpointDue(state)
  const isWanted = checkpoint || someMember(state, ({ follows, isLeaving }) => !follows && !isLeaving)
  if (!isWanted || state.export !== null) return
  const holders = followersOf(state).filter(({ version }) => version === state.version)
  const peer = holders.find(({ isLeaving }) => !isLeaving) ?? holders[0]
  if (!peer) return
  state.tickets += 1
  state.export = { ticket: state.tickets, worker: peer.worker, version: state.version, checkpoint }
  commands.push({ type: 'export', worker: peer.worker, ticket: state.tickets, version: state.version, files: checkpoint })
}

/** Lets those go that asked to, once nobody needs them. */
export function excuse(state: RunState, now: number, commands: RunCommand[]): void {
  for (const [worker, member] of state.members) {
    if (!member.isLeaving) continue
    // Until the sum is whole, its pieces may still be on their way.
    const isSharing = state.plan?.slices != null && state.reduced === null && state.plan.parts.has(worker)
    const ownsSlice = state.plan?.slices?.some((slice) => slice.worker === worker)
    const isNeeded =
      owesPart(state, worker) ||
      isSharing ||
      ownsSlice ||
      state.trial?.missing.has(worker) ||
      member.unit !== null ||
      state.export?.worker === worker
    const isLastCopy = member.follows && state.version > state.durable && !someMember(state, (one) => isActive(state, one))
    if (isNeeded || isLastCopy) continue
    depart(state, worker, now, commands)
    commands.push({ type: 'excuse', worker })
  }
}
