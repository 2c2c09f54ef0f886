import t from 'tap'
import { wilsonInterval } from '../../../coordinator/measures/wilson.ts'
import { reportFiles } from '../../../coordinator/report/files.ts'
import { rowsOf } from '../../../coordinator/report/rows.ts'
import { reportOf, summarize } from '../../../coordinator/report/summary.ts'
import { runReport } from '../../../protocol/report.ts'
import { madeUpRun } from '../../support/report-input.ts'

t.test('metrics of both phases', async (t) => {
  const { job, evaluation } = madeUpRun()
  const { forget, keep } = summarize(job, evaluation)
  t.match(forget.before, { reconstructionL2: 2, reconstructed: 10, noises: 10, timestep: 700, hits: 3, samples: 40, threshold: 10 })
  t.match(forget.after, { reconstructionL2: 14, reconstructed: 0, hits: 0, samples: 40 })
  t.equal(forget.before?.sampleDistances.length, 40)
  t.equal(keep.before?.loss?.toFixed(10), '0.0400000000')
  t.equal(keep.after?.samples, 20)
  t.equal(keep.after?.loss?.toFixed(10), '0.0410000000')
  t.equal(keep.after?.standardError?.toFixed(6), (Math.sqrt((20 * 0.001 ** 2) / 19) / Math.sqrt(20)).toFixed(6))
})

t.test('the order in which units came does not matter', async (t) => {
  const { job, evaluation } = madeUpRun()
  const reversed = new Map([...evaluation].map(([phase, results]) => [phase, [...results].reverse()]))
  t.same(summarize(job, reversed), summarize(job, evaluation))
})

t.test('what was not measured is null, what is incomplete an error', async (t) => {
  const { job, evaluation } = madeUpRun()
  const after = evaluation.get('after') ?? []
  t.match(summarize(job, new Map([['after', after]])), { forget: { before: null, after: { hits: 0 } }, keep: { before: null } })
  const none = { before: null, after: null }
  const nothing = { forget: none, keep: none, accuracy: none, likelihood: none, membership: none, distance: { after: null } }
  t.same(summarize(job, new Map()), nothing)
  t.throws(() => summarize(job, new Map([['after', after.slice(1)]])), { code: 'INTERNAL' })
  const onlyLoss = { ...job, evaluate: { ...job.evaluate, reconstruction: undefined, hits: undefined } }
  t.equal(summarize(onlyLoss, evaluation).forget.after, null)
  const onlyHits = { ...job, evaluate: { ...job.evaluate, reconstruction: undefined } }
  t.match(summarize(onlyHits, evaluation).forget.after, { reconstructionL2: null, reconstructed: null, noises: 0, hits: 0 })
})

t.test('a model that has diverged is reported', async (t) => {
  const input = madeUpRun()
  const after = input.evaluation.get('after') ?? []
  const spoiled = after.map(({ unit, result }) =>
    unit.start > 0
      ? { unit, result }
      : { unit, result: { ...result, values: result.values.with(1, unit.metric === 'hits' ? Infinity : NaN) } },
  )
  const evaluation = new Map([...input.evaluation, ['after', spoiled] as const])
  const report = await reportOf({ ...input, evaluation })
  t.match(report.forget.after, { reconstructionL2: null, reconstructed: null, noises: 10, hits: null, samples: 40, hitInterval: null })
  t.match(report.forget.after?.reconstructionDistances.slice(0, 3), [14, null, 14])
  t.match(report.keep.after, { loss: null, standardError: null, samples: 20 })
  t.same(runReport.parse(JSON.parse(JSON.stringify(report))), JSON.parse(JSON.stringify(report)))
  const rows = rowsOf(report)
  t.same(
    rows.map(({ after, change }) => [after, change]),
    [
      ['not finite', ''],
      ['not finite', ''],
      ['not finite', ''],
      ['not finite', ''],
    ],
  )
  const page = Buffer.from(
    (await reportFiles({ ...input, evaluation }, '/')).files.find(({ path }) => path === 'report.html')?.bytes ?? [],
  ).toString()
  t.notMatch(page, /NaN|Infinity/)
})

t.test('the whole report keeps its schema', async (t) => {
  const report = await reportOf(madeUpRun())
  t.same(runReport.parse(JSON.parse(JSON.stringify(report))), JSON.parse(JSON.stringify(report)))
  t.match(report, { method: 'siss', workers: 2, steps: 60, kind: 'unlearn' })
})

t.test('Wilson intervals, published values', async (t) => {
  const rounded = (hits: number, samples: number) => wilsonInterval(hits, samples).map((share) => share.toFixed(4))
  t.same(rounded(0, 10), ['0.0000', '0.2775'])
  t.same(rounded(5, 10), ['0.2366', '0.7634'])
  t.same(rounded(10, 10), ['0.7225', '1.0000'])
  t.same(rounded(81, 263), ['0.2553', '0.3662'])
})
