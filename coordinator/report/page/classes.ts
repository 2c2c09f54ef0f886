import type { RunReport, SampleMeasure } from '../../../protocol/report.ts'
import type { ReportInput } from '../input.ts'
import { classStrip, type JudgedPicture, judgedPictures } from '../pictures.ts'
import { isForgotten } from '../shares.ts'
import { grouped } from '../text.ts'
import { image, note, section } from './elements.ts'
import { sharesSvg } from './shares-svg.ts'

/** Of each class. */
const shownPictures = 12
const shownClasses = 20

const phases = ['before', 'after'] as const

/** Samples as a classifier sees them: a plot of shares, and the first pictures of each class. */
export function classesSection({ samples, classifierSha256 }: RunReport, input: ReportInput): string {
  const one = samples.after ?? samples.before
  if (!one) return ''
  const measured = phases.filter((phase) => samples[phase] !== null)
  const blocks = measured.map((phase) => {
    const pictures = judgedPictures(input, input.evaluation.get(phase))
    const strips = classStrips(input, pictures, classesOf(one).slice(0, shownClasses))
    return strips === '' ? '' : `<div><h3>${measured.length > 1 ? phase : 'samples'}</h3>${strips}</div>`
  })
  const sheets = blocks.some(Boolean) ? `<div class="sheets">${blocks.join('')}</div>` : ''
  return section(
    'Samples by class',
    note(whatIsShown(one, { isCompared: measured.length > 1, isJudged: classifierSha256 !== null })) + plot(samples, input) + sheets,
  )
}

const classesOf = (measure: SampleMeasure) => measure.classes.map((entry) => entry.class)

function whatIsShown(
  { classes, guidance, sampler }: SampleMeasure,
  { isCompared, isJudged }: { isCompared: boolean; isJudged: boolean },
): string {
  const total = classes.reduce((sum, { samples }) => sum + samples, 0)
  const how = `${sampler.name}, ${sampler.steps} steps${guidance > 0 ? `, guidance ${guidance}` : ''}`
  const same = isCompared ? ', drawn before and after from the same noise' : ''
  const drawn = `${grouped(total)} samples (${how})${same}.`
  if (classes.every((entry) => entry.class === null)) return `${drawn} The model has no classes, so none is asked for.`
  if (classes.every(({ recognised }) => recognised === null) && isJudged)
    return `${drawn} What the model gives is not finite: it draws no images, and nothing can be recognised.`
  if (!isJudged) return `${drawn} No classifier has looked at them.`
  const marks = isCompared ? ' Before hollow, after filled; × to forget.' : ' × to forget.'
  const more = classes.length > shownClasses ? ` The first ${shownClasses} of ${grouped(classes.length)} classes are shown.` : ''
  return `${drawn} Recognised: the classifier finds the class that was asked for the most probable. Whiskers: Wilson, 95 %.${marks} Framed in red: what was to be forgotten, and is recognised.${more}`
}

function plot(samples: RunReport['samples'], { job }: ReportInput): string {
  const share = (phase: 'before' | 'after', label: number) => {
    const entry = samples[phase]?.classes.find((one) => one.class === label)
    if (!entry || entry.recognised === null || entry.interval === null) return undefined
    return { share: entry.recognised / entry.samples, interval: entry.interval }
  }
  const { classes } = (samples.after ?? samples.before) as SampleMeasure
  const labels = classes.flatMap(({ class: label, recognised }) => (label === null || recognised === null ? [] : [label]))
  if (labels.length === 0) return ''
  const rows = labels.slice(0, shownClasses).map((label) => ({
    label: `class ${label}${isForgotten(job, label) ? ' ×' : ''}`,
    isForgotten: isForgotten(job, label),
    before: share('before', label),
    after: share('after', label),
  }))
  return `<div class="plots one">${sharesSvg('share of recognised samples', rows)}</div>`
}

/** The first pictures of each of these classes, a strip each. */
export function classStrips(input: ReportInput, pictures: readonly JudgedPicture[], classes: readonly (number | null)[]): string {
  const strips = classes.flatMap((label) => {
    const own = pictures.filter(({ asked }) => asked === label).slice(0, shownPictures)
    if (own.length === 0) return []
    const name = label === null ? 'samples' : `class ${label}`
    return [`<span>${label === null ? '' : label}</span>${image(classStrip(own, isForgotten(input.job, label)), name)}`]
  })
  return strips.length === 0 ? '' : `<div class="strips">${strips.join('')}</div>`
}
