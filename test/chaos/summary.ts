import { inSeconds, type Spread, spread, table } from './figures.ts'
import type { Cost } from './measure.ts'
import type { RoundResult } from './round.ts'
import { type FaultKind, faultKinds } from './schedule.ts'

/* What the rounds add up to: the figures of each kind of fault, and whether they keep what is promised. */

export interface KindFigures {
  kind: FaultKind
  count: number
  /** Of faults that were alone. Milliseconds from the fault. */
  noticedMs: Spread | null
  nextStepMs: Spread | null
  /** How much longer than a step without faults the next one took. */
  beyondStepMs: Spread | null
}

export interface Summary {
  rounds: number
  faults: number
  stepsRepeated: number
  /** Of one step without faults, with whatever workers there were. */
  stepMs: Spread | null
  kinds: KindFigures[]
  problems: string[]
}

const workerNoticedMs = 2000

/** A fault whose times are its own: alone, with another worker to go on, and somebody to take over from a leader. */
export const isMeasured = ({ kind, isAlone, wentBack, hasOthers, hasStandby, nextStepMs }: Cost) =>
  isAlone && !wentBack && nextStepMs !== null && (hasOthers || !kind.startsWith('worker')) && (hasStandby || !kind.startsWith('leader'))

const mustBeNoticed = ({ kind, at, until, worker }: Cost) =>
  worker !== null && (kind === 'worker killed' || (kind === 'worker paused' && until - at > workerNoticedMs))
const isMissed = (cost: Cost) => mustBeNoticed(cost) && cost.noticedMs === null && isMeasured(cost)

export function summarise(rounds: readonly RoundResult[]): Summary {
  const stepMs = spread(rounds.flatMap((round) => round.stepsMs))
  const all = rounds.flatMap((round) => round.costs)
  const beyond = ({ nextStepMs }: Cost) => Math.max(0, (nextStepMs ?? 0) - (stepMs?.median ?? 0))
  const kinds = faultKinds.map((kind) => {
    const every = all.filter((cost) => cost.kind === kind)
    const measured = every.filter(isMeasured)
    return {
      kind,
      count: every.length,
      noticedMs: spread(measured.flatMap(({ noticedMs }) => noticedMs ?? [])),
      nextStepMs: spread(measured.flatMap(({ nextStepMs }) => nextStepMs ?? [])),
      beyondStepMs: spread(measured.map(beyond)),
    }
  })
  const problems = rounds.flatMap((round, i) => round.problems.map((problem) => `round ${i + 1} (${round.reducer}): ${problem}`))
  return {
    rounds: rounds.length,
    faults: all.length,
    stepsRepeated: rounds.reduce((sum, round) => sum + round.stepsRepeated, 0),
    stepMs,
    kinds,
    problems: [
      ...problems,
      ...all.filter(isMissed).map(({ kind, worker }) => `${kind}: ${worker} was not noticed`),
      ...limitsOf(kinds).filter(isBroken).map(limitText),
    ],
  }
}

interface Limit {
  what: string
  found: Spread | null
  limitMs: number
}

function limitsOf(kinds: readonly KindFigures[]): Limit[] {
  const of = (kind: FaultKind) => kinds.find((one) => one.kind === kind) ?? null
  const [killed, paused, leader] = [of('worker killed'), of('worker paused'), of('leader killed')]
  return [
    { what: 'a killed worker is noticed', found: killed?.noticedMs ?? null, limitMs: workerNoticedMs },
    { what: 'a paused worker is noticed', found: paused?.noticedMs ?? null, limitMs: workerNoticedMs },
    { what: 'the next step without a killed worker takes longer by', found: killed?.beyondStepMs ?? null, limitMs: 5000 },
    { what: 'the next step under another leader', found: leader?.nextStepMs ?? null, limitMs: 10_000 },
  ]
}

const isBroken = ({ found, limitMs }: Limit) => found !== null && found.max >= limitMs

/** For a person. */
export function summaryText({ rounds, faults, stepsRepeated, stepMs, kinds }: Summary): string {
  const cells = (found: Spread | null) => (found ? [found.median, found.p95, found.max].map(inSeconds).join(' / ') : '')
  const rows = kinds
    .filter(({ count }) => count > 0)
    .map(({ kind, count, noticedMs, nextStepMs }) => [kind, `${count}`, `${nextStepMs?.count ?? 0}`, cells(noticedMs), cells(nextStepMs)])
  const head = ['fault', 'injected', 'measured', 'noticed after', 'next step after']
  const step = stepMs ? `; a step without faults takes ${cells(stepMs)}` : ''
  return [
    `${rounds} rounds, ${faults} faults, ${stepsRepeated} steps given out again${step}`,
    'times from the fault on: median / p95 / maximum; measured are faults that were alone',
    '',
    table([head, ...rows]),
    '',
    ...limitsOf(kinds).flatMap((limit) => (limit.found ? [limitText(limit)] : [])),
  ].join('\n')
}

function limitText(limit: Limit): string {
  const { what, found, limitMs } = limit
  const verdict = isBroken(limit) ? 'BROKEN' : 'kept'
  return `${what}: ${inSeconds(found?.max ?? 0)} at most, of ${found?.count ?? 0}; limit ${inSeconds(limitMs)}, ${verdict}`
}
