import { plan } from '../planner.ts'
import { lateAfterMs, measure } from './pace.ts'
import {
  activeMembers,
  isOwed,
  type Member,
  owesPart,
  type Part,
  type Plan,
  type RunCommand,
  type RunEvent,
  type RunState,
} from './state.ts'

/* The parts of the step at hand: who computes what, who is late, and who takes over. */

/** Weight of the newest measurement of a worker's speed. */
const speedWeight = 0.3

export function deliver(state: RunState, event: Extract<RunEvent, { type: 'delivered' }>): void {
  if (state.plan?.epoch !== event.epoch) return
  const part = state.plan.parts.get(event.worker)?.find(({ start, end, isDone }) => start === event.start && end === event.end && !isDone)
  if (!part) return
  part.isDone = true
  const member = state.members.get(event.worker)
  const size = event.end - event.start
  if (!member || !(event.computeMs > 0) || size === 0) return
  const speed = size / event.computeMs
  if (member.speed !== null) measure(state.pace, (event.computeMs * member.speed) / size)
  member.speed = member.speed === null ? speed : member.speed + speedWeight * (speed - member.speed)
}

/** Those who know this plan: whoever became active after it would not know what it is to assist in. */
function planned(state: RunState, { parts }: Plan): Member[] {
  return activeMembers(state).filter(({ worker }) => parts.has(worker))
}

/** Gives what a worker that has gone still owed to the others; where it owned a slice of the sum, the step is planned anew. */
export function reassign(state: RunState, worker: string, now: number, commands: RunCommand[]): void {
  const current = state.plan
  if (current === null) return
  const isReduced = state.reduced?.epoch === current.epoch
  if (current.slices?.some((slice) => slice.worker === worker)) {
    state.plan = null
    state.gathering = null
    state.reduced = null
    return
  }
  const own = current.parts.get(worker) ?? []
  // Its digests are what the audit waits for; its pieces may not have reached the owners, and nobody can tell.
  if (!isReduced && (current.isAudited || (current.slices !== null && own.some(({ start, end }) => end > start)))) {
    state.plan = null
    return
  }
  const owed = own.filter((part) => isOwed(part) && !part.isAssisted)
  current.parts.delete(worker)
  if (owed.length === 0 || isReduced) return
  const helpers = planned(state, current)
  if (helpers.length === 0) {
    state.plan = null
    return
  }
  for (const part of owed) assist(state, part, helpers, now, commands)
}

/** The late parts of a step go to those who are done. The first answer to each micro-batch counts. */
export function helpStragglers(state: RunState, now: number, commands: RunCommand[]): void {
  const current = state.plan
  if (current === null || current.isAudited || state.reduced !== null) return
  const owed = [...current.parts.values()].flatMap((parts) => parts.filter(isOwed))
  if (owed.length === 0) return
  const idle = planned(state, current).filter(({ worker, version }) => version === state.version && !owesPart(state, worker))
  if (idle.length === 0) return
  for (const part of owed.filter(({ isAssisted }) => !isAssisted)) {
    const speed = state.members.get(part.worker)?.speed ?? null
    const lateMs = speed === null ? null : lateAfterMs(state.pace, (part.end - part.start) / speed)
    if (lateMs === null || now - part.since < lateMs) continue
    part.isAssisted = true
    assist(state, part, idle, now, commands)
  }
}

function assist(state: RunState, { start, end }: Part, helpers: readonly Member[], now: number, commands: RunCommand[]): void {
  const current = state.plan
  if (current === null) return
  const ranges = plan(helpers, end, start).filter((range) => range.end > range.start)
  for (const range of ranges) current.parts.get(range.worker)?.push({ ...range, isDone: false, isAssisted: false, since: now })
  commands.push({ type: 'assist', epoch: current.epoch, step: current.step, ranges })
}
