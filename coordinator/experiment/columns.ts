import type { Cell, ExperimentColumn } from '../../protocol/experiment/report.ts'
import type { RunReport, ShareMeasure } from '../../protocol/report.ts'
import { errorOfChunks } from '../measures/inception-score.ts'
import { mean, standardErrorOf, studentInterval } from '../measures/means.ts'

/** The 95 % interval of a number of one run, and how it was found. */
export interface Spread {
  interval: [number, number]
  kind: NonNullable<Cell['intervalKind']>
}

/** What one run says of a column: a share of so many, or a number, with its interval where it has one. Null is not finite. */
export type Figure = { part: number | null; samples: number } | { value: number | null; spread?: Spread | null; samples: number | null }

export interface Column extends ExperimentColumn {
  /** Below which it cannot be. */
  least?: number
  /** Null where the run has not measured it. */
  of(report: RunReport): Figure | null
}

const complement = ({ samples, recognised }: ShareMeasure) => (recognised === null ? null : samples - recognised)

/** A number over so many values, of which its standard error is. Reports from before have no more. */
function estimate(value: number | null, standardError: number | null, samples: number, values = samples): Figure {
  const interval = studentInterval(value, standardError, values - 1)
  return { value, spread: interval && { interval, kind: 'student' }, samples }
}

/** With the interval that was computed with it. */
export function distanceFigure({
  value,
  interval,
  samples,
}: {
  value: number | null
  interval: [number, number] | null
  samples: number
}): Figure {
  return { value, spread: interval && { interval, kind: 'jackknife' }, samples }
}

/** A share that the report has as such. */
function shareFigure(share: number | null, samples: number): Figure {
  return { part: share === null ? null : Math.round(share * samples), samples }
}

/** The columns of the table, all of the model as its job left it. Those that no row has are left out. */
export const columns: readonly Column[] = [
  {
    key: 'unlearningAccuracy',
    label: 'unlearning accuracy',
    note: 'share of the samples drawn under the forgotten classes that the classifier does not take for them',
    isShare: true,
    better: 'higher',
    of: ({ samples: { after } }) => (after?.forgotten ? { part: complement(after.forgotten), samples: after.forgotten.samples } : null),
  },
  {
    key: 'keptAccuracy',
    label: 'kept accuracy',
    note: 'share of the samples drawn under all other classes that the classifier takes for their class',
    isShare: true,
    better: 'higher',
    of: ({ samples: { after } }) => (after?.kept ? { part: after.kept.recognised, samples: after.kept.samples } : null),
  },
  {
    key: 'hits',
    label: 'hits',
    note: 'share of the samples that are the forgotten image, by L2 distance',
    isShare: true,
    better: 'lower',
    of: ({ forget: { after } }) => (after && after.samples > 0 ? { part: after.hits, samples: after.samples } : null),
  },
  {
    key: 'reconstructed',
    label: 'reconstructed',
    note: 'share of the noised copies of the forgotten image that the model brings back to it',
    isShare: true,
    better: 'lower',
    of: ({ forget: { after } }) => (after && after.noises > 0 ? { part: after.reconstructed, samples: after.noises } : null),
  },
  {
    key: 'reconstructionL2',
    least: 0,
    label: 'reconstruction L2',
    note: 'mean distance of those reconstructions to the image, pixels in [0, 1]',
    isShare: false,
    better: 'higher',
    of: ({ forget: { after } }) =>
      after && after.noises > 0
        ? estimate(after.reconstructionL2, standardErrorOf(after.reconstructionDistances.flatMap((one) => one ?? Number.NaN)), after.noises)
        : null,
  },
  {
    key: 'likelihood',
    label: 'NLL of the forgotten, bits/dim',
    note: 'negative log-likelihood of forgotten images by the probability-flow ODE; with one seed and one image, the interval is over Hutchinson probes',
    isShare: false,
    better: 'higher',
    of: ({ likelihood: { after } }) =>
      after &&
      estimate(after.bitsPerDimension, after.standardError, after.images, after.errorOver === 'images' ? after.images : (after.runs ?? 0)),
  },
  {
    key: 'inceptionScore',
    least: 1,
    label: 'IS',
    note: 'Inception Score with the classifier of this experiment, not with Inception: comparable within this table only',
    isShare: false,
    better: 'higher',
    of: ({ samples: { after } }) => {
      if (!after?.inceptionScore) return null
      const { mean, standardDeviation, chunks, samples } = after.inceptionScore
      return estimate(mean, standardDeviation === null ? null : errorOfChunks(standardDeviation, chunks), samples, chunks)
    },
  },
  {
    key: 'frechetDistance',
    least: 0,
    label: 'Fréchet distance',
    note: 'between samples and kept images in the feature layer of the classifier; not an FID',
    isShare: false,
    better: 'lower',
    of: ({ samples: { after } }) => (after?.frechetDistance ? distanceFigure(after.frechetDistance) : null),
  },
  {
    key: 'precision',
    label: 'precision',
    note: 'share of the samples that lie among the kept images, by nearest neighbours in the same features',
    isShare: false,
    better: 'higher',
    of: ({ samples: { after } }) =>
      after?.precisionRecall ? shareFigure(after.precisionRecall.precision, after.precisionRecall.samples) : null,
  },
  {
    key: 'recall',
    label: 'recall',
    note: 'share of the kept images that lie among the samples',
    isShare: false,
    better: 'higher',
    of: ({ samples: { after } }) =>
      after?.precisionRecall ? shareFigure(after.precisionRecall.recall, after.precisionRecall.references) : null,
  },
  {
    key: 'keepLoss',
    least: 0,
    label: 'kept loss',
    note: 'mean ε-loss per element over fixed samples of the kept data',
    isShare: false,
    better: 'lower',
    of: ({ keep: { after } }) => after && estimate(after.loss, after.standardError, after.samples),
  },
  {
    key: 'membershipGap',
    label: 'membership gap',
    note: 'ε-loss of forgotten minus that of kept images, mean over the times that the job names: 0 tells nothing about membership',
    isShare: false,
    better: null,
    of: ({ membership: { after } }) => {
      if (!after || after.length === 0) return null
      const gaps = after.map(({ gap }) => gap)
      const errors = after.map(({ gapStandardError }) => gapStandardError ?? Number.NaN)
      // The gaps have their noises in common: their mean is at most as uncertain as they are on average.
      return estimate(gaps.includes(null) ? null : mean(gaps as number[]), mean(errors), after[0].samples)
    },
  },
  {
    key: 'distance',
    least: 0,
    label: 'distance in weights',
    note: 'L2 norm of the change of all weights',
    isShare: false,
    better: null,
    of: ({ distance: { after } }) => (after === null ? null : { value: after, samples: null }),
  },
  {
    key: 'peakMemory',
    least: 0,
    label: 'peak memory, MiB',
    note: 'most resident memory of a worker process',
    isShare: false,
    better: null,
    of: ({ cost: { peakMemoryBytes } }) => (peakMemoryBytes === null ? null : { value: peakMemoryBytes / 2 ** 20, samples: null }),
  },
  {
    key: 'msPerStep',
    least: 0,
    label: 'ms per step',
    note: 'median wall time of an update on the machine that ran it',
    isShare: false,
    better: null,
    of: ({ cost: { millisecondsPerStep } }) =>
      millisecondsPerStep && { value: millisecondsPerStep.median, samples: millisecondsPerStep.steps },
  },
]
