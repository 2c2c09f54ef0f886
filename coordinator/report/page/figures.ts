import type { ForgetMeasure, RunReport } from '../../../protocol/report.ts'
import type { Phase } from '../input.ts'
import type { Row } from '../row.ts'
import { rowsOf } from '../rows.ts'
import { escaped, grouped, percent } from '../text.ts'
import { section, table } from './elements.ts'

const phases = ['before', 'after'] as const

/** The table of the run, and what its numbers are. */
export function figuresSection(report: RunReport): string {
  const rows = rowsOf(report)
  if (rows.length === 0) return section('Figures', '<p class="soft">This run was not evaluated.</p>')
  const used = (['before', 'after', 'change'] as const).filter((column) => rows.some((row) => row[column] !== ''))
  const tone = ({ better }: Row) => (better === undefined ? undefined : better ? 'good' : 'bad')
  const lines = rows.map((row) => [row.label, ...used.map((column) => row[column])])
  const content = table(['', ...used], lines, (row, column) => (used[column - 1] === 'change' ? tone(rows[row]) : undefined))
  return section(used.includes('before') ? 'Before and after' : 'Figures', content + notes(report))
}

function notes({ forget, keep, accuracy, samples, attack, distance, likelihood, membership }: RunReport): string {
  const parts: string[] = []
  const interval = (name: Phase, measure: ForgetMeasure | null) =>
    measure?.hitInterval ? [`${name} ${percent(measure.hitInterval[0])} to ${percent(measure.hitInterval[1])}`] : []
  const intervals = phases.flatMap((phase) => interval(phase, forget[phase]))
  if (intervals.length > 0) parts.push(`Share of hits, 95 % confidence: ${intervals.join(', ')}.`)
  if (keep.after?.standardError != null)
    parts.push(
      `Kept-data loss: mean over ${grouped(keep.after.samples)} fixed samples, standard error ${Number(keep.after.standardError.toPrecision(2))}.`,
    )
  if (accuracy.after) {
    const { correct, samples } = accuracy.after
    parts.push(`Accuracy: the label has the largest logit for ${grouped(correct)} of ${grouped(samples)} images. Interval: Wilson, 95 %.`)
  }
  const judged = samples.after ?? samples.before
  const drawn = judged?.classes.reduce((sum, entry) => sum + entry.samples, 0) ?? 0
  const isPart = (judged?.inceptionScore ?? judged?.frechetDistance)?.samples !== drawn
  const whose = judged?.kept ? 'samples of kept classes' : isPart ? 'samples that are not the forgotten image' : 'samples'
  if (judged?.inceptionScore) {
    const { chunks, samples: drawn } = judged.inceptionScore
    parts.push(
      `Inception score: mean over ${chunks} chunks of ${grouped(drawn)} ${whose}, with Student’s interval over the chunks, from the probabilities of our own classifier; not comparable with scores of the Inception network.`,
    )
  }
  if (judged?.frechetDistance) {
    const { featureSpace, samples: drawn, references } = judged.frechetDistance
    parts.push(
      `Fréchet distance, precision and recall: ${grouped(drawn)} ${whose} against ${grouped(references)} kept images, in the ${escaped(featureSpace)}. This is not FID, and falls with the number of samples: compare equal numbers alone. Intervals: of the distance by the delete-block jackknife over both sets, at these numbers of samples; of precision and recall Wilson’s, with the other set taken as it is.`,
    )
  }
  if (forget.after?.sampleDistances.includes(null) || judged?.forgotten?.recognised === null || judged?.kept?.recognised === null)
    parts.push('Not finite: the model draws no images, so what it draws is neither forgotten nor kept.')
  if ((forget.after ?? forget.before)?.reconstructionInterval) parts.push('Mean L2: Student’s interval over the noises.')
  if (likelihood.after ?? likelihood.before ?? membership.after ?? membership.before)
    parts.push('±: standard error. In parentheses: intervals of 95 %.')
  if (distance.after !== null) parts.push('Change of the weights: L2 norm over all of them.')
  if (attack && attack.points.length > 0) parts.push('Before: at step 0 of the attack. After: at its last stop.')
  return parts.length > 0 ? `<p class="note">${parts.join(' ')}</p>` : ''
}
