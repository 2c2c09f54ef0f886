import type { ExperimentColumn } from '../../protocol/experiment/report.ts'
import type { RunReport, ShareMeasure } from '../../protocol/report.ts'

/** What one run says of a column: a share of so many, or a number, with its standard error where it has one. Null is not finite. */
export type Figure =
  | { part: number | null; samples: number }
  | { value: number | null; standardError?: number | null; samples: number | null }

export interface Column extends ExperimentColumn {
  /** Null where the run has not measured it. */
  of(report: RunReport): Figure | null
}

const complement = ({ samples, recognised }: ShareMeasure) => (recognised === null ? null : samples - recognised)

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
    label: 'reconstruction L2',
    note: 'mean distance of those reconstructions to the image, pixels in [0, 1]',
    isShare: false,
    better: 'higher',
    of: ({ forget: { after } }) => (after && after.noises > 0 ? { value: after.reconstructionL2, samples: after.noises } : null),
  },
  {
    key: 'likelihood',
    label: 'NLL of the forgotten, bits/dim',
    note: 'negative log-likelihood of forgotten images by the probability-flow ODE',
    isShare: false,
    better: 'higher',
    of: ({ likelihood: { after } }) =>
      after && { value: after.bitsPerDimension, standardError: after.standardError, samples: after.images },
  },
  {
    key: 'inceptionScore',
    label: 'IS',
    note: 'Inception Score with the classifier of this experiment, not with Inception: comparable within this table only',
    isShare: false,
    better: 'higher',
    of: ({ samples: { after } }) =>
      after?.inceptionScore ? { value: after.inceptionScore.mean, samples: after.inceptionScore.samples } : null,
  },
  {
    key: 'frechetDistance',
    label: 'Fréchet distance',
    note: 'between samples and kept images in the feature layer of the classifier; not an FID',
    isShare: false,
    better: 'lower',
    of: ({ samples: { after } }) =>
      after?.frechetDistance ? { value: after.frechetDistance.value, samples: after.frechetDistance.samples } : null,
  },
  {
    key: 'precision',
    label: 'precision',
    note: 'share of the samples that lie among the kept images, by nearest neighbours in the same features',
    isShare: false,
    better: 'higher',
    of: ({ samples: { after } }) =>
      after?.precisionRecall ? { value: after.precisionRecall.precision, samples: after.precisionRecall.samples } : null,
  },
  {
    key: 'recall',
    label: 'recall',
    note: 'share of the kept images that lie among the samples',
    isShare: false,
    better: 'higher',
    of: ({ samples: { after } }) =>
      after?.precisionRecall ? { value: after.precisionRecall.recall, samples: after.precisionRecall.references } : null,
  },
  {
    key: 'keepLoss',
    label: 'kept loss',
    note: 'mean ε-loss per element over fixed samples of the kept data',
    isShare: false,
    better: 'lower',
    of: ({ keep: { after } }) => after && { value: after.loss, standardError: after.standardError, samples: after.samples },
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
      const value = gaps.includes(null) ? null : (gaps as number[]).reduce((sum, gap) => sum + gap, 0) / gaps.length
      return { value, samples: after[0].samples }
    },
  },
  {
    key: 'distance',
    label: 'distance in weights',
    note: 'L2 norm of the change of all weights',
    isShare: false,
    better: null,
    of: ({ distance: { after } }) => (after === null ? null : { value: after, samples: null }),
  },
  {
    key: 'peakMemory',
    label: 'peak memory, MiB',
    note: 'most resident memory of a worker process',
    isShare: false,
    better: null,
    of: ({ cost: { peakMemoryBytes } }) => (peakMemoryBytes === null ? null : { value: peakMemoryBytes / 2 ** 20, samples: null }),
  },
  {
    key: 'msPerStep',
    label: 'ms per step',
    note: 'median wall time of an update on the machine that ran it',
    isShare: false,
    better: null,
    of: ({ cost: { millisecondsPerStep } }) =>
      millisecondsPerStep && { value: millisecondsPerStep.median, samples: millisecondsPerStep.steps },
  },
]
