import { digestOf } from '../../protocol/digest.ts'
import type { ExtractorMeasure, RunReport, ScoreMean } from '../../protocol/report.ts'
import { scoreLabel } from '../report/extractor-rows.ts'
import { type Column, distanceFigure, type Figure } from './columns.ts'

export interface ExtractorColumn extends Column {
  /** The key of the column that it stands behind: the last one about forgetting, or about quality. */
  behind: 'likelihood' | 'recall'
}

const keyDigits = 16

/** A column for each score and feature space that some run has: numbers of two spaces, or of two preparations, never share one. */
export function extractorColumns(reports: readonly RunReport[]): ExtractorColumn[] {
  const found = new Map<string, ExtractorColumn>()
  for (const { extractors } of reports)
    for (const measure of extractors.after ?? []) for (const column of columnsOf(measure)) found.set(column.key, column)
  return [...found.values()]
}

function columnsOf(measure: ExtractorMeasure): ExtractorColumn[] {
  const [space, name] = [spaceKey(measure), scoreLabel(measure)]
  const same = (report: RunReport) => report.extractors.after?.find((one) => spaceKey(one) === space)
  const common = { isShare: false } as const
  switch (measure.score) {
    case 'fid':
      return [
        {
          ...common,
          ...{ key: `fid:${space}`, label: name, behind: 'recall', better: 'lower' },
          note: 'Fréchet distance between samples and kept images in the features of that network; its preparation is in the report of each run',
          of: (report) => {
            const one = same(report)
            return one?.score === 'fid' ? distanceFigure(one) : null
          },
        },
      ]
    case 'sscd':
      return [
        {
          ...common,
          ...{ key: `sscd:${space}`, label: name, behind: 'likelihood', better: 'lower' },
          note: 'mean cosine between reconstructions and the forgotten image in the features of that network',
          of: (report) => {
            const one = same(report)
            return one?.score === 'sscd' ? figureOf(one.reconstructions) : null
          },
        },
      ]
    case 'clip':
      return (['forgotten', 'kept'] as const).flatMap((classes): ExtractorColumn[] =>
        measure[classes] === null
          ? []
          : [
              {
                ...common,
                ...{ key: `clip-${classes}:${space}`, label: `${name}, ${classes} classes` },
                ...(classes === 'kept' ? { behind: 'recall', better: 'higher' } : { behind: 'likelihood', better: 'lower' }),
                note: `100 times the cosine between samples of ${classes} classes and the caption of their class, where it is positive`,
                of: (report) => {
                  const one = same(report)
                  return one?.score === 'clip' ? figureOf(one[classes]) : null
                },
              },
            ],
      )
  }
}

function figureOf(mean: ScoreMean | null): Figure | null {
  if (!mean) return null
  const { interval, samples } = mean
  return { value: mean.mean, spread: interval && { interval, kind: 'bootstrap' }, samples }
}

function spaceKey(measure: ExtractorMeasure): string {
  const captions = measure.score === 'clip' ? measure.captionsSha256 : null
  return digestOf([measure.score, measure.space, captions]).slice(0, keyDigits)
}
