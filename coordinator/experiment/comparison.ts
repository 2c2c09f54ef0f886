import type { ExperimentReport, ExperimentRow } from '../../protocol/experiment/report.ts'
import { paretoFront } from '../measures/pareto.ts'
import type { ExtractorColumn } from './extractor-columns.ts'

type Comparison = ExperimentReport['comparison']
type Axis = Comparison['axes'][number]
type Candidate = Axis & { of: Axis['of']; value(row: ExperimentRow): number | null }

const cell = (key: string) => (row: ExperimentRow) => row.cells[key]?.value ?? null

/**
 * For each axis the first that most rows have. Robustness is what the worst of the attacks brings back. FID comes before the distances in
 * our own features, SSCD before that in pixels.
 */
const candidatesWith = (extracted: readonly ExtractorColumn[]): readonly Candidate[] => [
  { of: 'forgetting', label: 'unlearning accuracy', goal: 'maximise', value: cell('unlearningAccuracy') },
  { of: 'forgetting', label: 'NLL of the forgotten, bits/dim', goal: 'maximise', value: cell('likelihood') },
  ...ofScore(extracted, 'sscd', 'forgetting'),
  { of: 'forgetting', label: 'reconstructed', goal: 'minimise', value: cell('reconstructed') },
  { of: 'forgetting', label: 'hits', goal: 'minimise', value: cell('hits') },
  { of: 'quality', label: 'kept accuracy', goal: 'maximise', value: cell('keptAccuracy') },
  ...ofScore(extracted, 'fid', 'quality'),
  { of: 'quality', label: 'IS', goal: 'maximise', value: cell('inceptionScore') },
  { of: 'quality', label: 'Fréchet distance', goal: 'minimise', value: cell('frechetDistance') },
  { of: 'quality', label: 'kept loss', goal: 'minimise', value: cell('keepLoss') },
  { of: 'robustness', label: 'share back after the attack', goal: 'minimise', value: worstEnd },
]

function ofScore(extracted: readonly ExtractorColumn[], score: 'fid' | 'sscd', of: Axis['of']): Candidate[] {
  const own = extracted.filter(({ key }) => key.startsWith(`${score}:`))
  return own.map(({ key, label }) => ({ of, label, goal: 'minimise', value: cell(key) }))
}

function worstEnd({ attacks }: ExperimentRow): number | null {
  const ends = attacks.map(({ end }) => end.value)
  const known = ends.filter((value) => value !== null)
  return known.length > 0 && known.length === ends.length ? Math.max(...known) : null
}

/** Where each row stands on forgetting, quality and robustness, and which rows no other one beats. A row without an attack is not judged where others have one. */
export function comparisonOf(rows: readonly ExperimentRow[], extracted: readonly ExtractorColumn[]): Comparison {
  const candidates = candidatesWith(extracted)
  const chosen = (['forgetting', 'quality', 'robustness'] as const).flatMap((of) => {
    const counted = candidates
      .filter((one) => one.of === of)
      .map((one) => ({ one, rows: rows.filter((row) => one.value(row) !== null).length }))
    const most = Math.max(0, ...counted.map((each) => each.rows))
    const best = counted.find((each) => most > 0 && each.rows === most)
    return best ? [best.one] : []
  })
  const values = rows.map((row) => chosen.map((axis) => axis.value(row)))
  const named = values.map((row) => Object.fromEntries(chosen.map(({ of }, i) => [of, row[i]])))
  const goals = Object.fromEntries(chosen.map(({ of, goal }) => [of, goal]))
  return {
    axes: chosen.map(({ of, label, goal }) => ({ of, label, goal })),
    values,
    front: chosen.length > 1 ? paretoFront(named, goals) : [],
  }
}
