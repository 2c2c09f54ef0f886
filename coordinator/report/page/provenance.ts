import { stringify } from 'yaml'
import type { RunReport } from '../../../protocol/report.ts'
import { duration, escaped, grouped, significant } from '../text.ts'
import { section } from './elements.ts'

export function jobSection(report: RunReport): string {
  return `<section><details><summary>The job</summary><pre>${escaped(stringify(report.job, { lineWidth: 0 }))}</pre></details></section>`
}

const whereAdded = { central: 'added in the coordinator', sharded: 'added by the workers, a slice each' } as const

export function provenanceSection(report: RunReport): string {
  const { checkpoint, parentSha256, classifierSha256, data, jobDigest, engine, seed, versions, wallMs, cost, reduction, faults } = report
  const hash = (value: string) => `<code>${escaped(value)}</code>`
  const entries: [string, string][] = [
    [
      report.kind === 'evaluate' ? 'measured checkpoint' : 'resulting checkpoint',
      `${escaped(checkpoint.path)}<br>${hash(checkpoint.sha256)}`,
    ],
    ...(parentSha256 === null ? [] : [['parent checkpoint', hash(parentSha256)] as [string, string]]),
    ...(classifierSha256 === null ? [] : [['classifier', hash(classifierSha256)] as [string, string]]),
    ...[...extractorFiles(report)].map(([sha256, name]): [string, string] => [escaped(name), hash(sha256)]),
    [
      'data manifest',
      `${grouped(data.items)} items, ${grouped(data.forgetItems)} ${report.kind === 'train' ? 'watched' : 'to forget'}<br>${hash(data.manifestDigest)}`,
    ],
    ['job', hash(jobDigest)],
    ['seed', String(seed)],
    ['engine', escaped(engine)],
    ...(reduction === null ? [] : [['gradients', `${whereAdded[reduction.reducer]}, sent as ${reduction.wire}`] as [string, string]]),
    ...faults.map(({ message, host }): [string, string] => ['excluded', `${escaped(message)}${host ? ` (${escaped(host)})` : ''}`]),
    ...(cost.millisecondsPerStep === null ? [] : [['time per step', timeText(cost)] as [string, string]]),
    ...(cost.peakMemoryBytes === null
      ? []
      : [['memory of a worker, at most', `${Math.round(cost.peakMemoryBytes / 1e6)} MB`] as [string, string]]),
    [
      'wall time',
      escaped(
        Object.entries(wallMs)
          .map(([phase, ms]) => `${phase} ${duration(ms)}`)
          .join(', '),
      ),
    ],
    [
      'versions',
      escaped(
        Object.entries(versions)
          .map(([name, version]) => `${name} ${version}`)
          .join(', '),
      ),
    ],
  ]
  return section('Where it comes from', `<dl>${entries.map(([term, text]) => `<dt>${term}</dt><dd>${text}</dd>`).join('')}</dl>`)
}

/** Names by hash: one network may have several scores. */
function extractorFiles({ extractors: { before, after } }: RunReport): Map<string, string> {
  const measures = after ?? before ?? []
  return new Map(
    measures.flatMap((measure): [string, string][] => {
      const { name, sha256 } = measure.space
      return [
        [sha256, `extractor ${name}`],
        ...(measure.score === 'clip' ? [[measure.captionsSha256, `captions for ${name}`] as [string, string]] : []),
      ]
    }),
  )
}

function timeText({ millisecondsPerStep, preparationMilliseconds }: RunReport['cost']): string {
  if (millisecondsPerStep === null) return ''
  const { median, percentile90, steps } = millisecondsPerStep
  const ms = (value: number) => `${significant(Number(value.toPrecision(3)))} ms`
  const before = preparationMilliseconds > 0 ? `; preparation ${duration(preparationMilliseconds)}` : ''
  return `median ${ms(median)}, 90th percentile ${ms(percentile90)}, of ${grouped(steps)} steps${before}`
}
