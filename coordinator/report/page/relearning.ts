import type { AttackMeasure, AttackPoint, RunReport, ShareMeasure } from '../../../protocol/report.ts'
import type { ReportInput } from '../input.ts'
import { judgedPictures } from '../pictures.ts'
import { shareWithInterval } from '../row.ts'
import { grouped, notFinite, significant } from '../text.ts'
import { classStrips } from './classes.ts'
import { note, section, table } from './elements.ts'
import { type Series, stopsSvg } from './stops-svg.ts'

const shownStops = 10
const shownClasses = 4

/** An attack by relearning: recovery curves, their numbers, and what the model draws of what was forgotten at each stop. */
export function relearningSection({ attack }: RunReport, input: ReportInput): string {
  if (!attack || attack.points.length === 0) return ''
  return section(
    'Does it come back?',
    note(whatWasTried(attack)) + plots(attack.points) + stopTable(attack.points) + note(outcome(attack)) + pictures(attack, input),
  )
}

function whatWasTried({ images, labels, points }: AttackMeasure): string {
  const shown = images === 'retain' ? 'the kept images of the data' : 'other images'
  const classes = points.some(({ forgotten }) => forgotten) ? ', and its classes are never given' : ''
  const shuffled = labels === 'shuffled' ? ' Each of them has the label of another, as a control.' : ''
  return `The unlearned model was trained again on ${shown}.${shuffled} What was to be forgotten is not among them${classes}. Whiskers: Wilson, 95 %, of the samples alone; other seeds of the attack vary beyond that.`
}

function plots(points: readonly AttackPoint[]): string {
  const shares = (
    name: string,
    label: string,
    value: (point: AttackPoint) => [number, number, readonly [number, number]] | null,
  ): Series => ({
    name,
    label,
    points: points.flatMap((point) => {
      const found = value(point)
      return found ? [{ step: point.step, value: found[0] / found[1], interval: found[2] }] : []
    }),
  })
  const of = (count: number | null | undefined, samples: number, interval: readonly [number, number] | null) =>
    count == null || interval === null ? null : ([count, samples, interval] as [number, number, readonly [number, number]])
  const recognised = (share: ShareMeasure | null) => share && of(share.recognised, share.samples, share.interval)
  const groups: [string, Series[]][] = [
    [
      'samples that are recognised',
      [
        shares('forget', 'forgotten classes', ({ forgotten }) => recognised(forgotten)),
        shares('keep', 'kept classes', ({ kept }) => recognised(kept)),
      ],
    ],
    [
      'the forgotten image',
      [
        shares('forget', 'samples that are it', ({ hits }) => hits && of(hits.hits, hits.samples, hits.interval)),
        shares('norm', 'reconstructed', ({ reconstructed }) =>
          reconstructed ? of(reconstructed.reconstructed, reconstructed.noises, reconstructed.interval) : null,
        ),
      ],
    ],
  ]
  const drawn = groups.flatMap(([title, series]) => {
    const measured = series.filter(({ points }) => points.length > 0)
    return measured.length > 0 ? [stopsSvg(title, measured, { top: 1, text: (share) => `${Math.round(100 * share)} %` })] : []
  })
  const moved = points.flatMap(({ step, distance }) => (distance === null ? [] : [{ step, value: distance }]))
  if (moved.length > 0)
    drawn.push(stopsSvg('change of the weights', [{ name: 'norm', label: 'L2 norm', points: moved }], { text: significant }))
  return `<div class="plots">${drawn.join('')}</div>`
}

function stopTable(points: readonly AttackPoint[]): string {
  const share = (one: ShareMeasure | null) => {
    if (!one) return ''
    return one.recognised === null || one.interval === null
      ? notFinite
      : `${shareWithInterval(one.recognised / one.samples, one.interval, 1)} of ${one.samples}`
  }
  const count = (part: number | null, of: number) => (part === null ? notFinite : `${part} of ${of}`)
  const columns: [string, (point: AttackPoint) => string][] = [
    ['step', ({ step }) => grouped(step)],
    ['forgotten classes', ({ forgotten }) => share(forgotten)],
    ['kept classes', ({ kept }) => share(kept)],
    ['hits', ({ hits }) => (hits ? count(hits.hits, hits.samples) : '')],
    ['reconstructed', ({ reconstructed: one }) => (one ? count(one.reconstructed, one.noises) : '')],
    ['weights moved by', ({ distance }) => (distance === null ? '' : significant(distance))],
  ]
  const used = columns.filter(([, text]) => points.some((point) => text(point) !== ''))
  return table(
    used.map(([head]) => head),
    points.map((point) => used.map(([, text]) => text(point))),
  )
}

function outcome({ areaUnderCurve, halfRecovery, stoppedAt, points }: AttackMeasure): string {
  const parts: string[] = []
  const last = points[points.length - 1].step
  if (areaUnderCurve !== null)
    parts.push(
      `Mean share of recognised samples of forgotten classes over the attack (area under the curve): ${(100 * areaUnderCurve).toFixed(1)} %.`,
    )
  if (halfRecovery) {
    const { share, step, censoredAt } = halfRecovery
    const goal = `${Number((100 * share).toFixed(1))} %`
    parts.push(
      step === null
        ? `It did not reach ${goal} in ${grouped(censoredAt ?? last)} steps; what more steps would do is not known.`
        : `It reached ${goal} at step ${Number(step.toFixed(1))}, interpolated between stops.`,
    )
    parts.push(`${goal} is half of what the original model shows, or half of all where no control was given.`)
  }
  if (points.some(({ forgotten }) => forgotten?.recognised === null))
    parts.push('At some stop what the model gives is not finite: it draws no images, and the curve has no area and no half.')
  if (stoppedAt !== null) parts.push(`The attack stopped at step ${grouped(stoppedAt)}, where it had succeeded as attack.stopAt says.`)
  parts.push(
    'The same attack on a model that never saw what was forgotten tells what these images teach by themselves; only what is above that was brought back.',
  )
  return parts.join(' ')
}

function pictures({ points }: AttackMeasure, input: ReportInput): string {
  const asked = input.job.data.forget?.labels?.slice(0, shownClasses) ?? []
  const every = Math.ceil(points.length / shownStops)
  const shown = points.filter((_, i) => i % every === 0 || i === points.length - 1)
  const blocks = shown.flatMap(({ step }) => {
    const strips = classStrips(input, judgedPictures(input, input.measured.get(step)), asked)
    return strips === '' ? [] : [`<div><h3>step ${grouped(step)}</h3>${strips}</div>`]
  })
  return blocks.length > 0 ? `<h3>forgotten classes, stop by stop</h3><div class="sheets">${blocks.join('')}</div>` : ''
}
