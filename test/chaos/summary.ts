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

/** What the field promises, in milliseconds; each of a fault that is alone, with another worker that holds the parameters. */
export const limits = { workerNoticedMs: 2000, workerBeyondStepMs: 5000, leaderNextStepMs: 10_000 }

export const isMeasured = ({ isAlone, wentBack, nextStepMs }: Cost) => isAlone && !wentBack && nextStepMs !== null

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
    problems: [...problems, ...broken(kinds)],
  }
}

function broken(kinds: readonly KindFigures[]): string[] {
  const check = (kind: FaultKind, what: string, found: Spread | null | undefined, limitMs: number) =>
    found && found.max >= limitMs ? [`${kind}: ${what} after ${inSeconds(found.max)}, the limit is ${inSeconds(limitMs)}`] : []
  const of = (kind: FaultKind) => kinds.find((one) => one.kind === kind)
  return [
    ...check('worker killed', 'noticed', of('worker killed')?.noticedMs, limits.workerNoticedMs),
    ...check('worker paused', 'noticed', of('worker paused')?.noticedMs, limits.workerNoticedMs),
    ...check('worker killed', 'the next step, beyond its normal time,', of('worker killed')?.beyondStepMs, limits.workerBeyondStepMs),
    ...check('leader killed', 'the next step', of('leader killed')?.nextStepMs, limits.leaderNextStepMs),
  ]
}

/** For a person. */
export function summaryText({ rounds, faults, stepsRepeated, stepMs, kinds }: Summary): string {
  const cells = (found: Spread | null) => (found ? [found.median, found.p95, found.max].map(inSeconds).join(' / ') : '')
  const rows = kinds
    .filter(({ count }) => count > 0)
    .map(({ kind, count, noticedMs, nextStepMs }) => [kind, `${count}`, `${nextStepMs?.count ?? 0}`, cells(noticedMs), cells(nextStepMs)])
  const head = ['fault', 'injected', 'measured', 'noticed', 'next step']
  const step = stepMs ? `; a step without faults takes ${cells(stepMs)}` : ''
  return [
    `${rounds} rounds, ${faults} faults, ${stepsRepeated} steps given out again${step}`,
    'times from the fault: median / p95 / maximum, of faults that were alone',
    '',
    table([head, ...rows]),
  ].join('\n')
}
