import type { ControlArm } from '../../protocol/experiment/arms.ts'
import type { AttackArm, ExperimentAttack, HalfRecovery } from '../../protocol/experiment/report.ts'
import { attackName, seedLabel } from '../../protocol/experiment/rows.ts'
import type { RunReport } from '../../protocol/report.ts'
import { assumedOriginalShare } from '../measures/recovery.ts'
import { wilsonInterval } from '../measures/wilson.ts'
import { attackRecovery } from '../report/attack.ts'
import { cellOf, type Figures } from './cells.ts'
import type { Figure, Spread } from './columns.ts'
import { commonMeasure, type Measure, meanCurve, pointsOf, type SeedCurve, shareOf } from './curves.ts'
import { isUnknown } from './format.ts'
import type { JobResult } from './input.ts'

type Finished = JobResult & { report: RunReport }

/** An attack of one seed, and the control that says what the original model shows. */
interface ArmRun {
  seed: string
  run: Finished
  original: Finished | null
}

/** The attacks of one line by name, each over its seeds, with the same attack on its controls. */
export function attacksOf(line: readonly JobResult[], byId: ReadonlyMap<string, JobResult>): ExperimentAttack[] {
  const runs = line.filter(isFinished).filter(({ job }) => job.job.kind === 'attack')
  const names = [...new Set(runs.map(({ job }) => attackName(job)))]
  const attacks: ExperimentAttack[] = []
  for (const name of names) {
    const own = runs.filter(({ job }) => attackName(job) === name)
    const controlOf = ({ job }: Finished, arm: ControlArm) => {
      const control = job.controls && byId.get(job.controls[arm])
      return control && isFinished(control) ? control : null
    }
    const controls = own.flatMap((run) => [controlOf(run, 'original'), controlOf(run, 'retrained')]).filter((run) => run !== null)
    const measure = commonMeasure([...own, ...controls].map(({ report }) => report))
    if (measure === null) continue
    const armRuns = (of: (run: Finished) => Finished | null): ArmRun[] => {
      const runs = own.flatMap((run) => {
        const chosen = of(run)
        return chosen ? [{ seed: seedOf(run), run: chosen, original: controlOf(run, 'original') }] : []
      })
      return distinct(runs)
    }
    const control = (arm: ControlArm) => {
      const found = armRuns((run) => controlOf(run, arm))
      return found.length > 0 ? armOf(found, measure) : null
    }
    attacks.push({
      name,
      measure,
      ...armOf(
        armRuns((run) => run),
        measure,
      ),
      controls: { original: control('original'), retrained: control('retrained') },
    })
  }
  return attacks
}

/** A control that several seeds share is one run: counted for each of them its interval would be too narrow. */
function distinct(runs: readonly ArmRun[]): ArmRun[] {
  return [...new Map(runs.toReversed().map((one) => [one.run.job.id, one])).values()].reverse()
}

export function isFinished(result: JobResult): result is Finished {
  return result.report !== null
}

/** Jobs without the label are told apart by the seed of the job. */
export function seedOf({ job }: Pick<JobResult, 'job'>): string {
  return job.row?.[seedLabel] ?? String(job.job.seed)
}

function armOf(runs: readonly ArmRun[], measure: Measure): AttackArm {
  const seeds: SeedCurve[] = runs.map(({ seed, run }) => ({
    seed,
    job: run.job.id,
    points: pointsOf(run.report, run.job.job, measure),
  }))
  const figures = (of: (index: number) => Figure): Figures => runs.map(({ seed, run }, i) => ({ seed, job: run.job.id, figure: of(i) }))
  const originals = runs.map(({ original }) => originalShare(original, measure))
  const recoveries = seeds.map(({ points }, i) => {
    const share = originals[i]
    const recovery = attackRecovery(
      points.map((point) => ({ ...point, share: shareOf(point) })),
      share ?? assumedOriginalShare,
    )
    return { area: recovery?.area ?? null, half: share === null ? null : recovery }
  })
  const pointAt = (i: number, at: 0 | -1) => seeds[i].points.at(at) as SeedCurve['points'][number]
  const distance = ({ attack }: RunReport) => attack?.points.at(-1)?.distance ?? null
  return {
    start: cellOf(figures((i) => figureOf(pointAt(i, 0)))),
    end: cellOf(figures((i) => figureOf(pointAt(i, -1)))),
    area: cellOf(
      figures((i) => ({ value: recoveries[i].area, spread: areaSpread(seeds[i].points), samples: null })),
      { least: 0, most: 1 },
    ),
    distance: cellOf(
      figures((i) => ({ value: distance(runs[i].run.report), samples: null })),
      { least: 0 },
    ),
    half: halfOf(
      runs.map(({ seed, run, original }, i) => ({
        seed,
        job: run.job.id,
        step: recoveries[i].half?.halfStep ?? null,
        censoredAt: recoveries[i].half?.censoredAt ?? null,
        target: half(originals[i]),
        original: original?.job.id ?? null,
      })),
    ),
    curve: meanCurve(seeds),
    seeds,
  }
}

function figureOf({ part, samples }: SeedCurve['points'][number]): Figure {
  return { part, samples }
}

/** The areas under the lower and the upper ends of the intervals: wide, as if all stops erred alike. They do share their noises. */
function areaSpread(points: SeedCurve['points']): Spread | null {
  const [low, high] = [0, 1].map((end) => {
    const ends = points.map((point) => ({ ...point, share: point.part === null ? null : wilsonInterval(point.part, point.samples)[end] }))
    return attackRecovery(ends, assumedOriginalShare)?.area ?? null
  })
  return low === null || high === null ? null : { interval: [low, high], kind: 'wilson' }
}

const half = (share: number | null) => (share === null ? null : share / 2)

/** Before the attack has changed it; null where it is not finite. */
function originalShare(original: Finished | null, measure: Measure): number | null {
  const first = original && pointsOf(original.report, original.job.job, measure)[0]
  return first ? shareOf(first) : assumedOriginalShare
}

/** The lower one of two middle seeds; censored ones come last. Where one is not finite there is no median. */
function halfOf(readings: HalfRecovery['readings']): HalfRecovery {
  if (readings.some(isUnknown)) return { step: null, censoredAt: null, readings }
  const ranked = [...readings].sort((a, b) => (a.step ?? Number.POSITIVE_INFINITY) - (b.step ?? Number.POSITIVE_INFINITY))
  const middle = ranked[(ranked.length - 1) >> 1]
  return { step: middle?.step ?? null, censoredAt: middle?.censoredAt ?? null, readings }
}
