import type { ExtractorMeasure, FeatureSpace, RunReport } from '../../../protocol/report.ts'
import { scoreLabel } from '../extractor-rows.ts'
import { grouped } from '../text.ts'
import { note, section, table } from './elements.ts'

/** Which networks the scores are of, and what was done to images before them: what it takes to get the same numbers again. */
export function extractorsSection({ extractors }: RunReport): string {
  const measures = extractors.after ?? extractors.before ?? []
  if (measures.length === 0) return ''
  const rows = measures.map((measure) => [scoreLabel(measure), ofWhat(measure), preparation(measure.space), features(measure.space)])
  const text =
    'Each image becomes an 8-bit picture first, as it is stored, then numbers in [0, 1]; grey ones are repeated for each channel. Resizing is bilinear with pixel centres at half numbers, without antialiasing. Intervals, 95 %: bootstrap over samples; of a Fréchet distance the delete-block jackknife, none where features are wide. It falls with the number of samples. Scores compare only at equal network, preparation and numbers of samples.'
  return section('Scores by other networks', table(['', 'of', 'images', 'features'], rows) + note(text))
}

function ofWhat(measure: ExtractorMeasure): string {
  switch (measure.score) {
    case 'fid':
      return `${grouped(measure.samples)} samples, ${grouped(measure.references)} kept images, seed ${measure.seed}`
    case 'sscd':
      return `${grouped(measure.reconstructions.samples)} reconstructions from t = ${measure.timestep}, seed ${measure.seed}`
    case 'clip': {
      const samples = (measure.forgotten?.samples ?? 0) + (measure.kept?.samples ?? 0)
      return `${grouped(samples)} samples and the captions of their classes, seed ${measure.seed}`
    }
  }
}

function preparation({ channels, size: [height, width], mean, std }: FeatureSpace): string {
  const listed = (values: readonly number[]) => values.map((value) => Number(value.toPrecision(6))).join(', ')
  return `${channels} × ${height} × ${width}, less ${listed(mean)}, divided by ${listed(std)}`
}

function features({ features, output }: FeatureSpace): string {
  return `${grouped(features)}, output ${output}`
}
