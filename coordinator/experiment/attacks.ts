import type { ControlArm } from '../../protocol/experiment/arms.ts'
import type { AttackArm, ExperimentAttack, HalfRecovery } from '../../protocol/experiment/report.ts'
import { attackName, seedLabel } from '../../protocol/experiment/rows.ts'
import type { RunReport } from '../../protocol/report.ts'
import { recoveryOf } from '../measures/recovery.ts'
import { cellOf, type Figures } from './cells.ts'
import type { Figure } from './columns.ts'
import { commonMeasure, type Measure, meanCurve, pointsOf, type SeedCurve } from './curves.ts'
import type { JobResult } from './input.ts'

type Finished = JobResult & { report: RunReport }

/** An attack of one seed, and the control that says what the original model shows. */
interface ArmRun {
  seed: string
  run: Finished
  original: Finished | null
}

/** Where no control says what the original model shows. */
const assumedOriginalShare = 1

/** The attacks of one line by name, each over its seeds, with the same attack on its controls. */
export async function attacksOf(line: readonly JobResult[], byId: ReadonlyMap<string, JobResult>): Promise<ExperimentAttack[]> {
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
    const control = async (arm: ControlArm) => {
      const found = armRuns((run) => controlOf(run, arm))
      return found.length > 0 ? armOf(found, measure) : null
    }
    attacks.push({
      name,
      measure,
      ...(await armOf(
        armRuns((run) => run),
        measure,
      )),
      controls: { original: await control('original'), retrained: await control('retrained') },
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

async function armOf(runs: readonly ArmRun[], measure: Measure): Promise<AttackArm> {
  const seeds: SeedCurve[] = runs.map(({ seed, run }) => ({
    seed,
    job: run.job.id,
    points: pointsOf(run.report, run.job.job, measure),
  }))
  const figures = (of: (index: number) => Figure): Figures => runs.map(({ seed, run }, i) => ({ seed, job: run.job.id, figure: of(i) }))
  const recoveries = runs.map(({ original }, i) => recoveryOf(curveOf(seeds[i].points), originalShare(original, measure)))
  const pointAt = (i: number, at: 0 | -1) => seeds[i].points.at(at) as SeedCurve['points'][number]
  const distance = ({ attack }: RunReport) => attack?.points.at(-1)?.distance ?? null
  return {
    start: await cellOf(figures((i) => shareOf(pointAt(i, 0)))),
    end: await cellOf(figures((i) => shareOf(pointAt(i, -1)))),
    area: await cellOf(figures((i) => ({ value: recoveries[i].area, samples: null }))),
    distance: await cellOf(figures((i) => ({ value: distance(runs[i].run.report), samples: null }))),
    half: halfOf(
      runs.map(({ seed, run, original }, i) => ({
        seed,
        job: run.job.id,
        step: recoveries[i].halfStep,
        censoredAt: recoveries[i].censoredAt,
        target: originalShare(original, measure) / 2,
        original: original?.job.id ?? null,
      })),
    ),
    curve: meanCurve(seeds),
    seeds,
  }
}

function shareOf({ part, samples }: SeedCurve['points'][number]): Figure {
  return { part, samples }
}

function curveOf(points: SeedCurve['points']): { step: number; share: number }[] {
  return points.map(({ step, part, samples }) => ({ step, share: part / samples }))
}

/** Before the attack has changed it. */
function originalShare(original: Finished | null, measure: Measure): number {
  const first = original && pointsOf(original.report, original.job.job, measure)[0]
  return first ? first.part / first.samples : assumedOriginalShare
}

/** The lower one of two middle seeds; censored ones come last. */
function halfOf(readings: HalfRecovery['readings']): HalfRecovery {
  const ranked = [...readings].sort((a, b) => (a.step ?? Number.POSITIVE_INFINITY) - (b.step ?? Number.POSITIVE_INFINITY))
  const middle = ranked[(ranked.length - 1) >> 1]
  return { step: middle?.step ?? null, censoredAt: middle?.censoredAt ?? null, readings }
}
