import type { ClusterEvent } from './events.ts'
import type { FaultKind } from './schedule.ts'

/*
 * What a fault cost, from the events of the coordinators. All times are of the wall clock that the processes share.
 */

/** A fault that was injected. */
export interface Injected {
  kind: FaultKind
  at: number
  /** When the process went on or the server was started again; `at` for a death. */
  until: number
  /** Of a worker: what its leader called it; null where it was no member then. */
  worker: string | null
  /** More workers than one were members. */
  hasOthers: boolean
  /** A coordinator stood by that could take over. */
  hasStandby: boolean
}

export interface Cost extends Injected {
  /** Of a worker: until the leader parted from it. Of a leader: until another one led. */
  noticedMs: number | null
  /** Until the first step after that was committed; where nobody had to notice, after the fault had passed. */
  nextStepMs: number | null
  /** No other fault was at work from its beginning until that step. */
  isAlone: boolean
  /** No worker was left that held the parameters: steps were repeated from the last checkpoint. */
  wentBack: boolean
}

export const isCommit = (event: ClusterEvent): event is Extract<ClusterEvent, { type: 'progress' }> =>
  event.type === 'progress' && event.phase === 'train' && event.losses !== undefined

/** How long after a fault its traces, such as a worker that comes back, may disturb the next one. */
const aftermathMs = 1500

export function costs(faults: readonly Injected[], unordered: readonly ClusterEvent[]): Cost[] {
  const events = [...unordered].sort((a, b) => a.at - b.at)
  const measured = faults.map((fault) => {
    const noticed = notice(fault, events)
    const from = Math.max(noticed?.at ?? fault.until, isPause(fault) ? fault.at : fault.until)
    const next = events.find((event) => event.at > from && isCommit(event))
    return { ...fault, noticedAt: noticed?.at ?? null, nextAt: next?.at ?? null }
  })
  return measured.map(({ noticedAt, nextAt, ...fault }, i) => ({
    ...fault,
    noticedMs: noticedAt === null ? null : noticedAt - fault.at,
    nextStepMs: nextAt === null ? null : nextAt - fault.at,
    isAlone: measured.every(
      (other, j) => i === j || other.at > (nextAt ?? Number.POSITIVE_INFINITY) || endOf(other) + aftermathMs < fault.at,
    ),
    wentBack: wentBack(events, fault.at, nextAt),
  }))
}

const isPause = ({ kind }: Injected) => kind === 'worker paused' || kind === 'leader paused'

const endOf = ({ until, nextAt }: { until: number; nextAt: number | null }) => Math.max(until, nextAt ?? Number.POSITIVE_INFINITY)

/** The event by which somebody noticed; undefined where nobody did, or there was nothing to notice. */
function notice({ kind, at, until, worker }: Injected, events: readonly ClusterEvent[]): ClusterEvent | undefined {
  if (kind === 'worker killed') return events.find((event) => event.at >= at && event.type === 'workerLeft' && event.worker === worker)
  // Whoever is noticed later was noticed for another reason.
  if (kind === 'worker paused')
    return events.find((event) => event.at >= at && event.at <= until && event.type === 'workerLeft' && event.worker === worker)
  if (kind === 'leader killed') return events.find((event) => event.at > at && event.type === 'leading')
  if (kind === 'leader paused') return events.find((event) => event.at > at && event.at <= until + aftermathMs && event.type === 'leading')
  return undefined
}

function wentBack(events: readonly ClusterEvent[], from: number, to: number | null): boolean {
  const done = events.reduce((most, event) => (event.at <= from && isCommit(event) ? Math.max(most, event.done) : most), 0)
  return events.some((event) => event.type === 'planned' && event.at > from && event.at <= (to ?? from) && event.step < done)
}

/** From one commit to the next, where no fault was at work: milliseconds. */
export function quietStepsMs(faults: readonly Cost[], unordered: readonly ClusterEvent[]): number[] {
  const commits = unordered.filter(isCommit).map(({ at }) => at)
  const sorted = commits.sort((a, b) => a - b)
  const busy = faults.map(({ at, until, nextStepMs }) => [at, Math.max(until, at + (nextStepMs ?? 0))] as const)
  const pairs = sorted.slice(1).map((at, i) => [sorted[i], at] as const)
  return pairs.filter(([from, to]) => busy.every(([begin, end]) => to < begin || from >= end)).map(([from, to]) => to - from)
}

/** Plans beyond the first of each step, over all leaders. */
export function stepsRepeated(events: readonly ClusterEvent[]): number {
  const planned = events.flatMap((event) => (event.type === 'planned' ? [event.step] : []))
  return planned.length - new Set(planned).size
}
