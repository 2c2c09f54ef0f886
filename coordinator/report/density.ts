import { membershipOf } from '../../protocol/evaluation.ts'
import type { Job } from '../../protocol/job.ts'
import type { LikelihoodMeasure, MembershipMeasure } from '../../protocol/report.ts'
import { mean, standardErrorOf } from '../measures/means.ts'
import { membershipGaps } from '../measures/membership.ts'
import type { UnitResults } from './input.ts'
import { finite, readingOf, valuesOf } from './values.ts'

/** Bits per dimension of the forgotten images. An integration that was given up makes the mean null. */
export function likelihoodMeasure(job: Job, results: UnitResults | undefined): LikelihoodMeasure | null {
  const runs = valuesOf(job, 'likelihood', results)
  if (!runs || runs.length === 0) return null
  const items = readingOf(job, 'likelihood', 'item', results)?.values ?? []
  const byImage = new Map<number, number[]>()
  runs.forEach((value, number) => {
    byImage.set(items[number], [...(byImage.get(items[number]) ?? []), value])
  })
  const values = [...byImage.values()].map(mean)
  const errorOver = values.length > 1 ? 'images' : 'probes'
  return {
    bitsPerDimension: finite(mean(values)),
    standardError: finite(standardErrorOf(errorOver === 'images' ? values : runs)),
    errorOver,
    images: values.length,
    probes: job.evaluate.likelihood?.probes ?? 0,
    runs: runs.length,
    values: values.map(finite),
    runValues: runs.map(finite),
  }
}

/** ε-losses of forgotten and of kept images, and the gap between them, at each time of the job. */
export function membershipMeasure(job: Job, results: UnitResults | undefined): MembershipMeasure[] | null {
  const values = valuesOf(job, 'membership', results)
  if (!values || values.length === 0) return null
  const times = new Map<number, { forget: number[]; keep: number[] }>()
  values.forEach((value, number) => {
    const { set, timestep } = membershipOf(job.evaluate, number)
    const losses = times.get(timestep) ?? { forget: [], keep: [] }
    times.set(timestep, losses)
    losses[set].push(value)
  })
  const side = (losses: readonly number[]) => ({ loss: finite(mean(losses)), standardError: finite(standardErrorOf(losses)) })
  return [...times].flatMap(([timestep, { forget, keep }]) =>
    membershipGaps([{ t: timestep, forget, keep }]).map(({ gap, standardError }) => ({
      timestep,
      forget: side(forget),
      keep: side(keep),
      gap: finite(gap),
      gapStandardError: standardError === null ? null : finite(standardError),
      samples: forget.length,
    })),
  )
}
