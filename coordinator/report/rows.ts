import type { AccuracyMeasure, ForgetMeasure, KeepMeasure, RunReport } from '../../protocol/report.ts'
import { grouped, imageName, notFinite, significant } from './text.ts'

/** One line of the before/after table, as text; '' where a phase was not measured. */
export interface Row {
  label: string
  before: string
  after: string
  change: string
  /** Whether the change is a wanted one; undefined where there is none to judge. */
  better?: boolean
}

interface Measures {
  kind: RunReport['kind']
  forget: ForgetMeasure | null
  keep: KeepMeasure | null
  accuracy: AccuracyMeasure | null
}

interface Metric {
  label(measures: Measures): string
  isMeasured(measures: Measures): boolean
  /** Null where it is not finite, or not measured. */
  value(measures: Measures): number | null | undefined
  /** Of a value that is finite. */
  text(measures: Measures): string
  change(before: number, after: number): string
  better(before: number, after: number): boolean | undefined
}

/** Kept-data loss may rise by this share and still count as kept. */
const toleratedLossRise = 0.1

const metrics: readonly Metric[] = [
  {
    label: ({ forget, kind }) => `${imageName(kind)} reconstructed from t = ${forget?.timestep} (L2 < ${forget?.threshold})`,
    isMeasured: ({ forget }) => (forget?.noises ?? 0) > 0,
    value: ({ forget }) => forget?.reconstructed,
    text: ({ forget }) => `${forget?.reconstructed} of ${forget?.noises}`,
    change: (before, after) => signed(after - before, 0),
    better: (before, after) => (before === after ? undefined : after < before),
  },
  {
    label: () => 'mean L2 from reconstruction to image',
    isMeasured: ({ forget }) => (forget?.noises ?? 0) > 0,
    value: ({ forget }) => forget?.reconstructionL2,
    text: ({ forget }) => forget?.reconstructionL2?.toFixed(2) ?? '',
    change: (before, after) => signed(after - before, 2),
    better: (before, after) => (before === after ? undefined : after > before),
  },
  {
    label: ({ forget }) => `samples that are the image (L2 < ${forget?.threshold})`,
    isMeasured: ({ forget }) => (forget?.samples ?? 0) > 0,
    value: ({ forget }) => forget?.hits,
    text: ({ forget }) => `${forget?.hits} of ${forget?.samples}`,
    change: (before, after) => signed(after - before, 0),
    better: (before, after) => (before === after ? undefined : after < before),
  },
  {
    label: () => 'loss on the kept data',
    isMeasured: ({ keep }) => keep !== null,
    value: ({ keep }) => keep?.loss,
    text: ({ keep }) => (keep?.loss == null ? '' : significant(keep.loss)),
    change: (before, after) => `${signed(100 * (after / before - 1), 1)} %`,
    better: (before, after) => after <= before * (1 + toleratedLossRise),
  },
  {
    label: ({ accuracy }) => `accuracy on ${grouped(accuracy?.samples ?? 0)} images of evaluate.accuracy (95 % interval)`,
    isMeasured: ({ accuracy }) => accuracy !== null,
    value: ({ accuracy }) => accuracy?.accuracy,
    text: ({ accuracy }) => (accuracy === null ? '' : accuracyText(accuracy)),
    change: (before, after) => `${signed(100 * (after - before), 2)} points`,
    better: (before, after) => (before === after ? undefined : after > before),
  },
]

/** The figures of a run, one row per metric that was measured. */
export function rowsOf({ forget, keep, accuracy, kind }: Pick<RunReport, 'forget' | 'keep' | 'accuracy' | 'kind'>): Row[] {
  const before: Measures = { kind, forget: forget.before, keep: keep.before, accuracy: accuracy.before }
  const after: Measures = { kind, forget: forget.after, keep: keep.after, accuracy: accuracy.after }
  return metrics.flatMap((metric): Row[] => {
    const measured = [after, before].find((measures) => metric.isMeasured(measures))
    if (!measured) return []
    const [old, now] = [metric.value(before), metric.value(after)]
    const text = (measures: Measures) =>
      !metric.isMeasured(measures) ? '' : metric.value(measures) == null ? notFinite : metric.text(measures)
    const row = { label: metric.label(measured), before: text(before), after: text(after) }
    return [
      old != null && now != null ? { ...row, change: metric.change(old, now), better: metric.better(old, now) } : { ...row, change: '' },
    ]
  })
}

/** `97.52 % (97.20 to 97.81 %)`. */
function accuracyText({ accuracy, interval }: AccuracyMeasure): string {
  const [share, low, high] = [accuracy, ...interval].map((value) => (100 * value).toFixed(2))
  return `${share} % (${low} to ${high} %)`
}

function signed(value: number, digits: number): string {
  const size = Math.abs(value).toFixed(digits)
  if (Number(size) === 0) return '±0'
  return `${value < 0 ? '−' : '+'}${size}`
}
