import type { Job } from '../../protocol/job.ts'
import type { AttackMeasure, AttackPoint, ShareMeasure } from '../../protocol/report.ts'
import { assumedOriginalShare, type Recovery, type RecoveryPoint, recoveryOf } from '../measures/recovery.ts'
import { wilsonInterval } from '../measures/wilson.ts'
import type { AttackEnd, ReportInput, UnitResults } from './input.ts'
import { sharesOf } from './shares.ts'
import { closeTo, finite, sampleDistances, valuesOf } from './values.ts'

/** The recovery curve of an attack from what was measured at its stops; null for every other job. */
export function attackMeasure(job: Job, measured: ReportInput['measured'], end: AttackEnd | null): AttackMeasure | null {
  if (job.kind !== 'attack') return null
  const points = [...measured]
    .filter(([, results]) => results.length > 0)
    .sort(([one], [other]) => one - other)
    .map(([step, results]) => pointOf(job, step, results))
  const curve = points.flatMap(({ step, forgotten }) => (forgotten ? [{ step, share: shareOf(forgotten) }] : []))
  const stoppedAt = end?.stoppedAt ?? null
  const recovery = attackRecovery(carriedOn(curve, job, stoppedAt), assumedOriginalShare)
  return {
    images: job.attack.sources ? 'sources' : 'retain',
    labels: job.attack.shuffleLabels ? 'shuffled' : 'own',
    points,
    areaUnderCurve: recovery?.area ?? null,
    halfRecovery: recovery && { share: assumedOriginalShare / 2, step: recovery.halfStep, censoredAt: recovery.censoredAt },
    stoppedAt,
  }
}

const shareOf = ({ recognised, samples }: ShareMeasure) => (recognised === null ? null : recognised / samples)

/** An attack that has succeeded ends early: its last point stands for the steps that it left out. */
export function carriedOn<Point extends { step: number }>(
  points: readonly Point[],
  job: Job,
  stoppedAt: number | null,
): (Point & { isCarried: boolean })[] {
  const own = points.map((point) => ({ ...point, isCarried: false }))
  const last = points.at(-1)
  if (!last || stoppedAt === null || job.kind !== 'attack') return own
  const planned = [...new Set([...job.attack.measureAt, job.training.steps])].sort((a, b) => a - b)
  return [...own, ...planned.filter((step) => step > last.step).map((step) => ({ ...last, step, isCarried: true }))]
}

/**
 * Of the shares at the stops: the area with what was carried on, the step at which half is back of what was measured alone. Null where
 * there is no share, or one that is not finite (null).
 */
export function attackRecovery(
  points: readonly { step: number; share: number | null; isCarried: boolean }[],
  originalShare: number,
): Recovery | null {
  const curve = points.filter((point): point is RecoveryPoint & { isCarried: boolean } => point.share !== null)
  if (curve.length === 0 || curve.length < points.length) return null
  const measured = curve.filter(({ isCarried }) => !isCarried)
  return { ...recoveryOf(measured, originalShare), area: recoveryOf(curve, originalShare).area }
}

function pointOf(job: Job, step: number, results: UnitResults): AttackPoint {
  const of = (metric: Parameters<typeof valuesOf>[1]) => valuesOf(job, metric, results) ?? []
  const { forgotten, kept } = sharesOf(job, of('samples'))
  const [hits, reconstructions, [distance = Number.NaN]] = [sampleDistances(job, results) ?? [], of('reconstruction'), of('distance')]
  const [hitCount, samples] = [closeTo(job, hits), hits.length]
  const [reconstructed, noises] = [closeTo(job, reconstructions), reconstructions.length]
  const interval = (count: number | null, of: number) => (count === null ? null : wilsonInterval(count, of))
  return {
    step,
    forgotten,
    kept,
    distance: finite(distance),
    hits: samples > 0 ? { hits: hitCount, samples, interval: interval(hitCount, samples) } : null,
    reconstructed: noises > 0 ? { reconstructed, noises, interval: interval(reconstructed, noises) } : null,
  }
}
