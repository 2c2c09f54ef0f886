import type { MembershipMeasure } from '../../protocol/report.ts'
import { extractorRows } from './extractor-rows.ts'
import {
  type Figures,
  lessIsBetter,
  type Measures,
  type Metric,
  moreIsBetter,
  type Row,
  shareWithInterval,
  signed,
  withInterval,
} from './row.ts'
import { sampleMetrics } from './sample-metrics.ts'
import { grouped, imageName, notFinite, significant } from './text.ts'

/** Kept-data loss may rise by this share and still count as kept. */
const toleratedLossRise = 0.1

const imageMetrics: readonly Metric[] = [
  {
    label: ({ forget, kind }) => `${imageName(kind)} reconstructed from t = ${forget?.timestep} (L2 < ${forget?.threshold})`,
    isMeasured: ({ forget }) => (forget?.noises ?? 0) > 0,
    value: ({ forget }) => forget?.reconstructed,
    text: ({ forget }) => `${forget?.reconstructed} of ${forget?.noises}`,
    change: (before, after) => signed(after - before, 0),
    better: lessIsBetter,
  },
  {
    label: () => 'mean L2 from reconstruction to image',
    isMeasured: ({ forget }) => (forget?.noises ?? 0) > 0,
    value: ({ forget }) => forget?.reconstructionL2,
    text: ({ forget }) => withInterval(forget?.reconstructionL2 ?? 0, forget?.reconstructionInterval, (value) => value.toFixed(2)),
    change: (before, after) => signed(after - before, 2),
    better: moreIsBetter,
  },
  {
    label: ({ forget }) => `samples that are the image (L2 < ${forget?.threshold})`,
    isMeasured: ({ forget }) => (forget?.samples ?? 0) > 0,
    value: ({ forget }) => forget?.hits,
    text: ({ forget }) => `${forget?.hits} of ${forget?.samples}`,
    change: (before, after) => signed(after - before, 0),
    better: lessIsBetter,
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
    text: ({ accuracy }) => (accuracy === null ? '' : shareWithInterval(accuracy.accuracy, accuracy.interval, 2)),
    change: (before, after) => `${signed(100 * (after - before), 2)} points`,
    better: moreIsBetter,
  },
]

/** The figures of a run, one row per metric that was measured. */
export function rowsOf(figures: Figures): Row[] {
  const { kind, forget, keep, accuracy, samples, likelihood } = figures
  const of = (phase: 'before' | 'after'): Measures => ({
    kind,
    forget: forget[phase],
    keep: keep[phase],
    accuracy: accuracy[phase],
    samples: samples[phase],
    likelihood: likelihood[phase],
  })
  const [before, after] = [of('before'), of('after')]
  const compared = [...imageMetrics, ...sampleMetrics].flatMap((metric): Row[] => {
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
  return [...compared, ...extractorRows(figures), ...membershipRows(figures), ...weightRows(figures), ...attackRows(figures)]
}

/** Which gap is the wanted one, only a model that never saw the forgotten images tells; so no change is judged. */
function membershipRows({ membership, kind }: Figures): Row[] {
  const one = (membership.after ?? membership.before ?? []).map(({ timestep }) => timestep)
  const at = (phase: MembershipMeasure[] | null, time: number) => phase?.find(({ timestep }) => timestep === time)
  return one.map((time): Row => {
    const [before, after] = [at(membership.before, time), at(membership.after, time)]
    const change = before?.gap != null && after?.gap != null ? significantSigned(after.gap - before.gap) : ''
    const which = kind === 'train' ? 'watched' : 'forgotten'
    return { label: `ε-loss at t = ${time}, ${which} less kept images`, before: gapText(before), after: gapText(after), change }
  })
}

function gapText(measure: MembershipMeasure | undefined): string {
  if (!measure) return ''
  const { gap, gapStandardError } = measure
  if (gap === null) return notFinite
  return `${significantSigned(gap)}${gapStandardError === null ? '' : ` ± ${Number(gapStandardError.toPrecision(2))}`}`
}

function significantSigned(value: number): string {
  return value === 0 ? '±0' : `${value < 0 ? '−' : '+'}${significant(Math.abs(value))}`
}

function weightRows({ distance, kind }: Figures): Row[] {
  if (distance.after === null) return []
  const since = kind === 'attack' ? ' since the attack began' : ''
  return [{ label: `L2 norm of the change of the weights${since}`, before: '', after: significant(distance.after), change: '' }]
}

function attackRows({ attack }: Figures): Row[] {
  if (!attack) return []
  const only = (label: string, after: string): Row => ({ label, before: '', after, change: '' })
  const rows: Row[] = []
  if (attack.points.some(({ forgotten }) => forgotten?.recognised === null))
    rows.push(only('forgotten classes recognised, mean over the attack', notFinite))
  if (attack.areaUnderCurve !== null)
    rows.push(only('forgotten classes recognised, mean over the attack', `${(100 * attack.areaUnderCurve).toFixed(1)} %`))
  if (attack.halfRecovery) {
    const { share, step, censoredAt } = attack.halfRecovery
    const text = step === null ? `not in ${grouped(censoredAt ?? 0)} steps` : `step ${Number(step.toFixed(1))}`
    rows.push(only(`${Number((100 * share).toFixed(1))} % of them recognised again`, text))
  }
  if (attack.stoppedAt !== null) rows.push(only('the attack had succeeded, and stopped', `step ${grouped(attack.stoppedAt)}`))
  return rows
}
