import type { Cell, ExperimentReport, ExperimentRow } from '../../protocol/experiment/report.ts'
import { lineKey, lineLabels } from '../../protocol/experiment/rows.ts'
import { attacksOf, isFinished, seedOf } from './attacks.ts'
import { cellOf } from './cells.ts'
import { type Column, columns } from './columns.ts'
import { comparisonOf } from './comparison.ts'
import { extractorColumns } from './extractor-columns.ts'
import type { ExperimentInput, JobResult } from './input.ts'

/** The table of an experiment from the reports of its runs. Pure: the same runs give the same table. */
export function experimentReportOf({ expansion, results, rerun }: ExperimentInput): ExperimentReport {
  const byId = new Map(results.map((result) => [result.job.id, result]))
  const lines = new Map<string, JobResult[]>()
  for (const result of results) {
    const { row } = result.job
    if (row === null) continue
    const key = lineKey(row)
    lines.set(key, [...(lines.get(key) ?? []), result])
  }
  const extracted = extractorColumns(results.flatMap(({ report }) => (report ? [report] : [])))
  const all = columns.flatMap((column) => [column, ...extracted.filter(({ behind }) => behind === column.key)])
  const rows: ExperimentRow[] = []
  for (const line of lines.values()) rows.push(rowOf(line, byId, { columns: all, titles: expansion.titles, rerun }))
  const { name, title, text, budget } = expansion
  return {
    name,
    title,
    text,
    budget,
    columns: all
      .filter(({ key }) => rows.some(({ cells }) => Object.hasOwn(cells, key)))
      .map(({ key, label, note, isShare, better }) => ({ key, label, note, isShare, better })),
    rows,
    comparison: comparisonOf(rows, extracted),
    jobs: results.map(jobOf),
  }
}

function rowOf(
  line: readonly JobResult[],
  byId: ReadonlyMap<string, JobResult>,
  { columns, titles, rerun }: { columns: readonly Column[]; titles: Readonly<Record<string, string>>; rerun: ExperimentInput['rerun'] },
): ExperimentRow {
  const labels = Object.fromEntries(
    lineLabels(line[0].job.row ?? {}).map(([label, value]) => [label, Object.hasOwn(titles, value) ? titles[value] : value]),
  )
  const models = line.filter(isFinished).filter(({ job }) => job.job.kind !== 'attack')
  const cells: Record<string, Cell> = {}
  for (const { key, least, of } of columns) {
    const figures = models.flatMap((model) => {
      const figure = of(model.report)
      return figure ? [{ seed: seedOf(model), job: model.job.id, figure }] : []
    })
    if (figures.length > 0) cells[key] = cellOf(figures, { least })
  }
  const jobs = line.map(({ job }) => job.id)
  return {
    labels,
    title: Object.values(labels).join(', '),
    seeds: [...new Set(line.map(seedOf))],
    cells,
    attacks: attacksOf(line, byId),
    jobs,
    rerun: rerun(jobs),
  }
}

function jobOf({ job: { id, job, dependsOn, controls, row }, report, state, error, command }: JobResult): ExperimentReport['jobs'][number] {
  return {
    id,
    kind: job.kind,
    method: job.kind === 'evaluate' ? null : job.method.name,
    dependsOn: [...dependsOn],
    controls: controls && { ...controls },
    row: row && { ...row },
    command,
    state,
    error,
    seed: report?.seed ?? null,
    jobDigest: report?.jobDigest ?? null,
    checkpointSha256: report?.checkpoint.sha256 ?? null,
    parentSha256: report?.parentSha256 ?? null,
    forgetDigest: report?.data.forgetDigest ?? null,
    classifierSha256: report?.classifierSha256 ?? null,
    engine: report?.engine ?? null,
    wallMs: report ? Object.values(report.wallMs).reduce((sum, ms) => sum + ms, 0) : null,
    versions: report?.versions ?? null,
  }
}
