import { classOfSample } from '../../protocol/evaluation.ts'
import type { Job } from '../../protocol/job.ts'
import type { SampleMeasure, ShareMeasure } from '../../protocol/report.ts'
import { wilsonInterval } from '../measures/wilson.ts'

/** Is this class one of those to be forgotten? */
export function isForgotten({ data }: Job, label: number | null | undefined): boolean {
  return label != null && (data.forget?.labels?.includes(label) ?? false)
}

/** How many samples show the class that was asked for; `seen` is the class that the classifier sees in each sample, by number. */
export function sharesOf(job: Job, seen: readonly number[]): Pick<SampleMeasure, 'classes' | 'forgotten' | 'kept'> {
  const tallies = new Map<number | null, { samples: number; recognised: number }>()
  seen.forEach((label, number) => {
    const asked = classOfSample(job.evaluate, number) ?? null
    const tally = tallies.get(asked) ?? { samples: 0, recognised: 0 }
    tallies.set(asked, tally)
    tally.samples += 1
    if (label === asked) tally.recognised += 1
  })
  const sum = (isIn: (label: number) => boolean): ShareMeasure | null => {
    const chosen = [...tallies].filter(([label]) => label !== null && isIn(label)).map(([, tally]) => tally)
    const samples = chosen.reduce((total, tally) => total + tally.samples, 0)
    const recognised = chosen.reduce((total, tally) => total + tally.recognised, 0)
    return samples > 0 ? { samples, recognised, interval: wilsonInterval(recognised, samples) } : null
  }
  return {
    classes: [...tallies].map(([label, { samples, recognised }]) =>
      label === null
        ? { class: null, samples, recognised: null, interval: null }
        : { class: label, samples, recognised, interval: wilsonInterval(recognised, samples) },
    ),
    forgotten: sum((label) => isForgotten(job, label)),
    kept: sum((label) => !isForgotten(job, label)),
  }
}
