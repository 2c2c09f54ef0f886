import type { ExtractorMeasure, ScoreMean } from '../../protocol/report.ts'
import { type Figures, lessIsBetter, moreIsBetter, type Row, signed } from './row.ts'
import { grouped, imageName, namedDigits, notFinite, significant } from './text.ts'

const titles: Record<ExtractorMeasure['score'], string> = { fid: 'FID', sscd: 'SSCD', clip: 'CLIP score' }

/** `FID, inception-v3 0123456789ab`: no score without its network. */
export function scoreLabel({ score, space: { name, sha256 } }: Pick<ExtractorMeasure, 'score' | 'space'>): string {
  return `${titles[score]}, ${name} ${sha256.slice(0, namedDigits)}`
}

/** One number of an extractor; `interval` where there is one. */
interface Reported {
  label: string
  value: number | null
  interval: readonly [number, number] | null
  digits: number
  better(before: number, after: number): boolean | undefined
}

/** Table rows of what extractors say. */
export function extractorRows({ kind, extractors: { before, after } }: Figures): Row[] {
  const [old, now] = [before, after].map((measures) => (measures ?? []).flatMap((measure) => reportedOf(measure, kind)))
  const text = (one: Reported | undefined) => (one === undefined ? '' : valueText(one))
  return (now.length > 0 ? now : old).map(({ label, digits, better }): Row => {
    const [first, last] = [old, now].map((phase) => phase.find((one) => one.label === label))
    const row = { label, before: text(first), after: text(last) }
    if (first?.value == null || last?.value == null) return { ...row, change: '' }
    return { ...row, change: signed(last.value - first.value, digits), better: better(first.value, last.value) }
  })
}

function reportedOf(measure: ExtractorMeasure, kind: Figures['kind']): Reported[] {
  const name = scoreLabel(measure)
  const ofMean = (label: string, mean: ScoreMean | null, digits: number, better: Reported['better']): Reported[] =>
    mean ? [{ label, value: mean.mean, interval: mean.interval, digits, better }] : []
  switch (measure.score) {
    case 'fid':
      return [{ label: name, value: measure.value, interval: measure.interval, digits: 2, better: lessIsBetter }]
    case 'sscd':
      return ofMean(`${name}, reconstruction and ${imageName(kind)}`, measure.reconstructions, 3, lessIsBetter)
    case 'clip':
      return [
        ...ofMean(`${name}, ${grouped(measure.forgotten?.samples ?? 0)} samples of forgotten classes`, measure.forgotten, 2, lessIsBetter),
        ...ofMean(`${name}, ${grouped(measure.kept?.samples ?? 0)} samples of kept classes`, measure.kept, 2, moreIsBetter),
      ]
  }
}

function valueText({ value, interval, digits }: Reported): string {
  if (value === null) return notFinite
  if (interval === null) return significant(value)
  const [low, high] = interval.map((end) => end.toFixed(digits))
  return `${value.toFixed(digits)} (${low} to ${high})`
}
