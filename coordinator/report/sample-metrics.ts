import type { ShareMeasure } from '../../protocol/report.ts'
import { lessIsBetter, type Metric, moreIsBetter, pointsOf, shareWithInterval, signed, withInterval } from './row.ts'
import { grouped, significant } from './text.ts'

/* What a classifier says of samples, and how likely a model finds the forgotten images. */

/** The complement of a share has the complement of its interval. */
function complementText(share: ShareMeasure): string {
  const [low, high] = share.interval ?? [0, 1]
  return shareWithInterval(1 - (shareOf(share) ?? 0), [1 - high, 1 - low], 1)
}

/** Null where it is not finite. */
const shareOf = (share: ShareMeasure | null | undefined) => (share?.recognised == null ? null : share.recognised / share.samples)

export const sampleMetrics: readonly Metric[] = [
  {
    label: ({ samples }) =>
      `unlearning accuracy: of ${grouped(samples?.forgotten?.samples ?? 0)} samples of forgotten classes, not recognised`,
    isMeasured: ({ samples }) => samples?.forgotten != null,
    value: ({ samples }) => {
      const share = shareOf(samples?.forgotten)
      return share === null ? null : 1 - share
    },
    text: ({ samples }) => (samples?.forgotten ? complementText(samples.forgotten) : ''),
    change: (before, after) => pointsOf(before, after, 1),
    better: moreIsBetter,
  },
  {
    label: ({ samples }) => `of ${grouped(samples?.kept?.samples ?? 0)} samples of kept classes, recognised`,
    isMeasured: ({ samples }) => samples?.kept != null,
    value: ({ samples }) => shareOf(samples?.kept),
    text: ({ samples }) => (samples?.kept?.interval ? shareWithInterval(shareOf(samples.kept) ?? 0, samples.kept.interval, 1) : ''),
    change: (before, after) => pointsOf(before, after, 1),
    better: moreIsBetter,
  },
  {
    label: ({ samples }) => `inception score of our classifier, ${grouped(samples?.inceptionScore?.samples ?? 0)} samples`,
    isMeasured: ({ samples }) => samples?.inceptionScore != null,
    value: ({ samples }) => samples?.inceptionScore?.mean,
    text: ({ samples }) => withInterval(samples?.inceptionScore?.mean ?? 0, samples?.inceptionScore?.interval, (value) => value.toFixed(2)),
    change: (before, after) => signed(after - before, 2),
    better: moreIsBetter,
  },
  {
    label: ({ samples }) => `Fréchet distance, ${samples?.frechetDistance?.featureSpace ?? ''}`,
    isMeasured: ({ samples }) => samples?.frechetDistance != null,
    value: ({ samples }) => samples?.frechetDistance?.value,
    text: ({ samples }) => withInterval(samples?.frechetDistance?.value ?? 0, samples?.frechetDistance?.interval, significant),
    change: (before, after) => signed(after - before, 2),
    better: lessIsBetter,
  },
  ...(['precision', 'recall'] as const).map(
    (side): Metric => ({
      label: ({ samples }) => `${side}, ${samples?.precisionRecall?.neighbours ?? 0} nearest neighbours, the same features`,
      isMeasured: ({ samples }) => samples?.precisionRecall != null,
      value: ({ samples }) => samples?.precisionRecall?.[side],
      text: ({ samples }) =>
        withInterval(samples?.precisionRecall?.[side] ?? 0, samples?.precisionRecall?.[`${side}Interval`], (value) => value.toFixed(3)),
      change: (before, after) => signed(after - before, 3),
      better: moreIsBetter,
    }),
  ),
  {
    label: ({ likelihood, kind }) =>
      `bits per dimension of ${grouped(likelihood?.images ?? 0)} ${kind === 'train' ? 'watched' : 'forgotten'} ${likelihood?.images === 1 ? 'image' : 'images'}${likelihood?.errorOver === 'probes' && (likelihood.runs ?? 0) > 1 ? ` (± over ${grouped(likelihood.runs ?? 0)} probes)` : ''}`,
    isMeasured: ({ likelihood }) => likelihood !== null,
    value: ({ likelihood }) => likelihood?.bitsPerDimension,
    text: ({ likelihood }) => {
      const { bitsPerDimension, standardError } = likelihood ?? {}
      if (bitsPerDimension == null) return ''
      return `${bitsPerDimension.toFixed(3)}${standardError == null ? '' : ` ± ${standardError.toFixed(3)}`}`
    },
    change: (before, after) => signed(after - before, 3),
    better: moreIsBetter,
  },
]
