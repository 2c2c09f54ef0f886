import { LetheError } from '../../protocol/errors.ts'
import { depart } from './members.ts'
import { followersOf, type RunCommand, type RunEvent, type RunState } from './state.ts'

/*
 * All followers must hold the same parameters, and two workers that compute the same micro-batches must get the same sums. Whoever does
 * not is found by majority, named, and parted from.
 */

type EventOf<Type extends RunEvent['type']> = Extract<RunEvent, { type: Type }>

/** A follower says what its parameters are after so many updates. */
export function report(
  state: RunState,
  { worker, version, digest }: EventOf<'at' | 'exported'>,
  now: number,
  commands: RunCommand[],
): void {
  const member = state.members.get(worker)
  if (!member?.follows || version > state.version || (member.version !== null && version < member.version)) return
  member.version = version
  member.held = null
  const agreed = state.digests.get(version)
  if (version < state.version || state.committed === version) {
    if (agreed !== undefined && agreed !== digest) return exclude(state, worker, version, now, commands)
    if (version < state.version) state.awaited.add(worker)
    return
  }
  state.awaited.delete(worker)
  // Judged, and on its way to the journal.
  if (agreed !== undefined && state.issued >= version && version > state.journaled) {
    if (agreed !== digest) exclude(state, worker, version, now, commands)
    return
  }
  const claimed = state.claims.get(digest)
  if (claimed === undefined) state.claims.set(digest, [worker])
  else if (claimed.at(-1) !== worker) claimed.push(worker)
}

/**
 * Everyone has reported: what are the parameters of this version? Returns false where nobody can say; the run then goes back.
 * @throws LetheError COMPUTE_DIGEST where repeating does not help.
 */
export function judge(state: RunState, now: number, commands: RunCommand[]): boolean {
  const { version, claims, contested } = state
  const known = state.digests.get(version)
  const truth = known ?? majority(new Map([...claims].map(([digest, workers]) => [digest, workers.length])))
  if (truth === null) {
    const names = [...claims.values()].map((workers) => workers.join(', ')).join(' and ')
    if (contested?.version === version) throw disagreement(`${names} have different parameters after ${version} steps, twice`)
    state.contested = { version, claims: new Map(claims) }
    return false
  }
  if (!claims.has(truth)) {
    const names = [...claims.values()].flat().join(', ')
    throw disagreement(`${names} repeated ${version} steps and got other parameters than the journal holds`)
  }
  const earlier = contested?.version === version ? contested.claims : new Map<string, string[]>()
  state.digests.set(version, truth)
  state.claims = new Map()
  if (contested?.version === version) state.contested = null
  const wrong = [...claims, ...earlier].flatMap(([digest, workers]) => (digest === truth ? [] : workers))
  for (const worker of new Set(wrong)) exclude(state, worker, version, now, commands)
  return true
}

/** Two workers have different sums of one range: everyone computes it now, and nothing else. */
export function openTrial(state: RunState, event: EventOf<'disputed'>, commands: RunCommand[]): void {
  if (state.plan?.epoch !== event.epoch) return
  // Those too who are about to leave.
  const workers = followersOf(state).flatMap(({ worker, version }) => (version !== null && version >= state.version - 1 ? [worker] : []))
  state.epoch += 1
  state.plan = null
  state.reduced = null
  const { step, start, end, claims } = event
  state.trial = { epoch: state.epoch, step, start, end, votes: [...claims], missing: new Set(workers) }
  commands.push({ type: 'trial', epoch: state.epoch, step, start, end, workers })
}

export function vote(state: RunState, { worker, epoch, digest }: EventOf<'voted'>): void {
  if (state.trial?.epoch !== epoch || !state.trial.missing.delete(worker)) return
  state.trial.votes.push({ worker, digest })
}

/** Where no majority agrees since some left meanwhile, the step is computed again. @throws LetheError COMPUTE_DIGEST where all are there. */
export function closeTrial(state: RunState, now: number, commands: RunCommand[]): void {
  const { trial } = state
  if (trial === null || trial.missing.size > 0) return
  const counts = new Map<string, number>()
  for (const { digest } of trial.votes) counts.set(digest, (counts.get(digest) ?? 0) + 1)
  const truth = majority(counts)
  const range = `micro-batches ${trial.start} to ${trial.end - 1} of step ${trial.step}`
  if (truth === null) {
    state.trial = null
    if (trial.votes.some(({ worker }) => !state.members.has(worker))) return
    const names = [...new Set(trial.votes.map(({ worker }) => worker))].join(', ')
    throw disagreement(`${names} compute different gradients of ${range}`)
  }
  state.trial = null
  const wrong = new Set(trial.votes.filter(({ digest }) => digest !== truth).map(({ worker }) => worker))
  for (const worker of wrong) exclude(state, worker, trial.step, now, commands, `computed another gradient than the others of ${range}`)
}

function exclude(state: RunState, worker: string, version: number, now: number, commands: RunCommand[], what?: string): void {
  // One that was sent away to start anew is named all the same.
  depart(state, worker, now, commands)
  // What it computed of the step at hand came from what is wrong with it, and may be in the sum already.
  state.plan = null
  state.reduced = null
  state.gathering = null
  const message = `${worker} ${what ?? `has other parameters than the others after ${version} steps`}`
  commands.push({ type: 'dismiss', worker, code: 'COMPUTE_DIGEST', message, step: version })
}

/** What more than half of all votes say. */
function majority(counts: ReadonlyMap<string, number>): string | null {
  const all = [...counts.values()].reduce((sum, count) => sum + count, 0)
  for (const [digest, count] of counts) if (2 * count > all) return digest
  return null
}

const disagreement = (message: string) => new LetheError('COMPUTE_DIGEST', { message })
