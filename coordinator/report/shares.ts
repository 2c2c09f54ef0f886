import { areOneDraw, classOfSample, isSeenClass } from '../../protocol/evaluation.ts'
import type { Job } from '../../protocol/job.ts'
import type { SampleMeasure, ShareMeasure } from '../../protocol/report.ts'
import { wilsonInterval } from '../measures/wilson.ts'
import type { UnitResults } from './input.ts'
import { sampleDistances, valuesOf } from './values.ts'

/** Is this class one of those to be forgotten? */
export function isForgotten({ data }: Job, label: number | null | undefined): boolean {
  return label != null && (data.forget?.labels?.includes(label) ?? false)
}

/**
 * Numbers of the samples that quality is measured on: those of no forgotten class and, where their distance to it was measured, those that
 * are not the forgotten image, as in the SISS evaluation.
 */
export function keptSamples(job: Job, results: UnitResults): number[] {
  const distances = areOneDraw(job.evaluate) ? (sampleDistances(job, results) ?? []) : []
  const numbers = Array.from({ length: valuesOf(job, 'samples', results)?.length ?? 0 }, (_, number) => number)
  return numbers.filter((number) => !isForgotten(job, classOfSample(job.evaluate, number)) && !(distances[number] < job.evaluate.threshold))
}

/**
 * How many samples show the class that was asked for; `seen` is the class that the classifier sees in each sample, by number. Without a
 * classifier nothing is recognised, and nothing is not. Where a sample is not finite, the shares that it is in are null.
 */
export function sharesOf(job: Job, seen: readonly number[]): Pick<SampleMeasure, 'classes' | 'forgotten' | 'kept'> {
  const isJudged = job.evaluate.classifier !== undefined
  const tallies = new Map<number | null, Tally>()
  seen.forEach((label, number) => {
    const asked = classOfSample(job.evaluate, number) ?? null
    const tally = tallies.get(asked) ?? { samples: 0, recognised: 0, isWhole: true }
    tallies.set(asked, tally)
    tally.samples += 1
    if (label === asked) tally.recognised += 1
    if (!isSeenClass(label)) tally.isWhole = false
  })
  const sum = (isIn: (label: number) => boolean): ShareMeasure | null => {
    const chosen = [...tallies].filter(([label]) => label !== null && isIn(label)).map(([, tally]) => tally)
    const samples = chosen.reduce((total, tally) => total + tally.samples, 0)
    const recognised = chosen.reduce((total, tally) => total + tally.recognised, 0)
    return isJudged && samples > 0 ? shareOf({ samples, recognised, isWhole: chosen.every((tally) => tally.isWhole) }) : null
  }
  return {
    classes: [...tallies].map(([label, tally]) => ({
      class: label,
      ...(label === null || !isJudged ? { samples: tally.samples, recognised: null, interval: null } : shareOf(tally)),
    })),
    forgotten: sum((label) => isForgotten(job, label)),
    kept: sum((label) => !isForgotten(job, label)),
  }
}

interface Tally {
  samples: number
  recognised: number
  /** Did the classifier say a class of each? */
  isWhole: boolean
}

/** That something which is no picture is not recognised is no success: it has no share. */
function shareOf({ samples, recognised, isWhole }: Tally): ShareMeasure {
  if (!isWhole) return { samples, recognised: null, interval: null }
  return { samples, recognised, interval: wilsonInterval(recognised, samples) }
}
