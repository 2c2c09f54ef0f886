import { LetheError } from '../../protocol/errors.ts'
import { activeMembers, dataDigest, type Member, type RunCommand, type RunEvent, type RunState } from './state.ts'

type EventOf<Type extends RunEvent['type']> = Extract<RunEvent, { type: Type }>

/** Weight of the newest measurement of a worker's speed. */
const speedWeight = 0.3

/**
 * A worker has opened the job: it joins if it reads the same data and model as the others.
 * @throws LetheError DATA_CHANGED where a resumed run finds other data at its start: then the data changed, and not one worker errs.
 */
export function admit(state: RunState, event: EventOf<'opened'>, commands: RunCommand[]): void {
  if (state.members.some(({ worker }) => worker === event.worker)) return
  const [peer] = state.members
  const refuse = (code: 'DATA_CHANGED' | 'COMPUTE_DIGEST', message: string) =>
    commands.push({ type: 'dismiss', worker: event.worker, code, message: `${event.worker} ${message}` })
  if (state.dataDigest !== null && state.dataDigest !== dataDigest(event.summary)) {
    if (!peer && state.phase === 'gather')
      throw new LetheError('DATA_CHANGED', { message: 'the data or the forget set are not those that the run began with' })
    return void refuse('DATA_CHANGED', 'reads other data, or another forget set, than the run')
  }
  if (peer) {
    if (peer.summary.engine !== event.summary.engine)
      return void refuse('COMPUTE_DIGEST', `computes with ${event.summary.engine}, the run with ${peer.summary.engine}`)
    if (peer.parentDigest !== event.digest) return void refuse('COMPUTE_DIGEST', 'reads other parameters than the run from the same files')
  }
  state.dataDigest = dataDigest(event.summary)
  state.members.push({
    worker: event.worker,
    parentDigest: event.digest,
    summary: event.summary,
    follows: false,
    given: 0,
    version: null,
    speed: null,
    unit: null,
  })
}

/** A worker is gone: its unit goes back, its part of a step makes the step new for the others. */
export function depart(state: RunState, worker: string): void {
  const member = state.members.find((one) => one.worker === worker)
  if (!member) return
  state.members = state.members.filter((one) => one !== member)
  if (member.unit !== null) state.pending[state.phase === 'before' ? 'before' : 'after'].unshift(member.unit)
  if (state.export?.worker === worker) state.export = null
  const lost = state.plan?.ranges.some((range) => range.worker === worker && range.end > range.start)
  const isReduced = state.reduced !== null && state.reduced.epoch === state.plan?.epoch
  if (lost && !isReduced) state.plan = null
}

/** Nobody holds the version of the run any more: it goes on from the last checkpoint, and replays. */
function goBack(state: RunState): void {
  state.version = state.durable
  state.committed = state.durable
  state.cut = state.durable
  state.plan = null
  state.reduced = null
  state.released = null
  state.export = null
}

/** Every report of a version must have the digest of the first one. */
export function agree(state: RunState, report: { worker: string; version: number; digest: string }): void {
  const member = state.members.find(({ worker }) => worker === report.worker)
  if (!member?.follows || report.version > state.version) return
  record(state, report.worker, report.version, report.digest)
  if (member.version === null || report.version > member.version) member.version = report.version
}

function record(state: RunState, worker: string, version: number, digest: string): void {
  const known = state.digests[version]
  if (known && known.digest !== digest) {
    const message = `${worker} and ${known.worker} have different parameters after ${version} steps`
    throw new LetheError('COMPUTE_DIGEST', { message })
  }
  if (!known && version >= state.durable) state.digests[version] = { digest, worker }
}

export function measure(state: RunState, computeMs: Record<string, number>): void {
  for (const { worker, start, end } of state.plan?.ranges ?? []) {
    const member = state.members.find((one) => one.worker === worker)
    if (!member || !(computeMs[worker] > 0) || end === start) continue
    const speed = (end - start) / computeMs[worker]
    member.speed = member.speed === null ? speed : member.speed + speedWeight * (speed - member.speed)
  }
}

/** Gives every newcomer the version of the run: the parent's files, the last checkpoint, or (`askForState`) a peer's state. */
export function sourceStates(state: RunState, commands: RunCommand[]): void {
  if (!state.members.some(({ follows }) => follows)) goBack(state)
  for (const member of state.members.filter(({ follows }) => !follows)) {
    if (state.version === 0) begin(state, member)
    else if (state.version === state.durable) sendState(member, state.version, null, commands)
  }
}

/** From now on it gets every direction too, and applies them when the state is there. */
export function sendState(member: Member, version: number, ticket: number | null, commands: RunCommand[]): void {
  member.follows = true
  member.given = version
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
export function dropLaggards(state: RunState, commands: RunCommand[]): void {
  for (const member of state.members)
    if (member.follows && member.version === null && state.version - member.given >= maxLag(member)) {
      depart(state, member.worker)
      commands.push({ type: 'part', worker: member.worker, reason: `${state.version - member.given} steps behind while it loaded` })
    }
}

function begin(state: RunState, member: Member): void {
  record(state, member.worker, 0, member.parentDigest)
  member.follows = true
  member.version = 0
}

/** Is this version one to keep, and not handed over yet? */
export function checkpointDue(state: RunState): boolean {
  const { version, settings } = state
  return version > state.cut && version > 0 && (version % settings.checkpointEvery === 0 || version === settings.steps)
}

/** Asks one worker for the state of a committed version, for the disk or for newcomers; nobody moves on until it is here. */
export function askForState(state: RunState, commands: RunCommand[]): void {
  if (state.committed !== state.version) return
  const checkpoint = checkpointDue(state)
  const isWanted = checkpoint || state.members.some(({ follows }) => !follows)
  if (!isWanted || state.export !== null) return
  const [peer] = activeMembers(state)
  if (!peer) return
  state.tickets += 1
  state.export = { ticket: state.tickets, worker: peer.worker, version: state.version, checkpoint }
  commands.push({ type: 'export', worker: peer.worker, ticket: state.tickets, version: state.version, files: checkpoint })
}
