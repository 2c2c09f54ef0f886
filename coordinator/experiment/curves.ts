import type { AttackArm, ExperimentAttack } from '../../protocol/experiment/report.ts'
import type { Job } from '../../protocol/job.ts'
import type { AttackPoint, RunReport } from '../../protocol/report.ts'
import { mean } from '../measures/means.ts'
import { wilsonInterval } from '../measures/wilson.ts'
import { carriedOn } from '../report/attack.ts'

/* Recovery curves of attacks: from the points of a run to the mean over seeds. */

export type Measure = ExperimentAttack['measure']
type Known = SeedCurve['points'][number] & { part: number }
export type SeedCurve = AttackArm['seeds'][number]

/** `part` is null where it is not finite. */
type Share = { part: number | null; samples: number }

const shares: Record<Measure, (point: AttackPoint) => Share | null> = {
  recognised: ({ forgotten }) => forgotten && { part: forgotten.recognised, samples: forgotten.samples },
  hits: ({ hits }) => hits && { part: hits.hits, samples: hits.samples },
  reconstructed: ({ reconstructed }) => reconstructed && { part: reconstructed.reconstructed, samples: reconstructed.noises },
}

/** The first of these measures that all reports have at all points; null where there is none. */
export function commonMeasure(reports: readonly RunReport[]): Measure | null {
  const has = (measure: Measure) =>
    reports.every(({ attack }) => attack && attack.points.length > 0 && attack.points.every((point) => shares[measure](point) !== null))
  return (Object.keys(shares) as Measure[]).find((measure) => reports.length > 0 && has(measure)) ?? null
}

/** The points of one run. */
export function pointsOf({ attack }: RunReport, job: Job, measure: Measure): SeedCurve['points'] {
  const points = (attack?.points ?? []).flatMap((point) => {
    const share = shares[measure](point)
    return share && share.samples > 0 ? [{ step: point.step, ...share }] : []
  })
  return carriedOn(points, job, attack?.stoppedAt ?? null)
}

export function shareOf({ part, samples }: SeedCurve['points'][number]): number | null {
  return part === null ? null : part / samples
}

/** Over the steps at which all seeds have a share. */
export function meanCurve(seeds: readonly Pick<SeedCurve, 'points'>[]): AttackArm['curve'] {
  if (seeds.length === 0) return []
  const steps = seeds[0].points
    .map(({ step }) => step)
    .filter((step) => seeds.every(({ points }) => points.some((one) => one.step === step && one.part !== null)))
  return steps.map((step) => {
    const at = seeds.map(({ points }) => points.find((one) => one.step === step) as Known)
    const values = at.map(({ part, samples }) => part / samples)
    const [low, high] = at.length === 1 ? wilsonInterval(at[0].part, at[0].samples) : [Math.min(...values), Math.max(...values)]
    return { step, share: mean(values), low, high }
  })
}
