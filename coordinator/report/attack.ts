import type { Job } from '../../protocol/job.ts'
import type { AttackMeasure, AttackPoint } from '../../protocol/report.ts'
import { recoveryOf } from '../measures/recovery.ts'
import { wilsonInterval } from '../measures/wilson.ts'
import type { AttackEnd, ReportInput, UnitResults } from './input.ts'
import { sharesOf } from './shares.ts'
import { closeTo, finite, valuesOf } from './values.ts'

/** Where nobody says what the original model shows. */
const assumedOriginalShare = 1

/** The recovery curve of an attack from what was measured at its stops; null for every other job. */
export function attackMeasure(job: Job, measured: ReportInput['measured'], end: AttackEnd | null): AttackMeasure | null {
  if (job.kind !== 'attack') return null
  const points = [...measured]
    .filter(([, results]) => results.length > 0)
    .sort(([one], [other]) => one - other)
    .map(([step, results]) => pointOf(job, step, results))
  const original = end?.originalShare ?? assumedOriginalShare
  const curve = points.flatMap(({ step, forgotten }) => (forgotten ? [{ step, share: forgotten.recognised / forgotten.samples }] : []))
  const recovery = curve.length > 0 ? recoveryOf(curve, original) : null
  return {
    images: job.attack.sources ? 'sources' : 'retain',
    points,
    areaUnderCurve: recovery?.area ?? null,
    halfRecovery: recovery && { share: original / 2, step: recovery.halfStep, censoredAt: recovery.censoredAt },
    stoppedAt: end?.stoppedAt ?? null,
  }
}

function pointOf(job: Job, step: number, results: UnitResults): AttackPoint {
  const of = (metric: Parameters<typeof valuesOf>[1]) => valuesOf(job, metric, results) ?? []
  const { forgotten, kept } = sharesOf(job, of('samples'))
  const [hits, reconstructions, [distance = Number.NaN]] = [of('hits'), of('reconstruction'), of('distance')]
  const close = (distances: readonly number[]) => [closeTo(job, distances), distances.length] as const
  const [hitCount, samples] = close(hits)
  const [reconstructed, noises] = close(reconstructions)
  return {
    step,
    forgotten,
    kept,
    distance: finite(distance),
    hits: samples > 0 ? { hits: hitCount, samples, interval: wilsonInterval(hitCount, samples) } : null,
    reconstructed: noises > 0 ? { reconstructed, noises, interval: wilsonInterval(reconstructed, noises) } : null,
  }
}
