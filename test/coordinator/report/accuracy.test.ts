import t from 'tap'
import { wilsonInterval } from '../../../coordinator/measures/wilson.ts'
import { reportFiles } from '../../../coordinator/report/files.ts'
import type { ReportInput } from '../../../coordinator/report/index.ts'
import { rowsOf } from '../../../coordinator/report/rows.ts'
import { reportOf } from '../../../coordinator/report/summary.ts'
import { textTable } from '../../../coordinator/report/table.ts'
import { evaluationUnits } from '../../../protocol/evaluation.ts'
import { jobSchema } from '../../../protocol/job.ts'
import { runReport } from '../../../protocol/report.ts'
import { madeUpRun } from '../../support/report-input.ts'

/** The training of a classifier that is right about all of 1000 digits but every fortieth. */
function trainedClassifier(kind: 'train' | 'evaluate' = 'train'): ReportInput {
  const job = jobSchema.parse({
    kind,
    name: 'judge',
    ...(kind === 'train'
      ? {
          model: { config: 'classifier.json' },
          method: { name: 'classify' },
          training: { steps: 60, batchSize: 8, microBatchSize: 8 },
        }
      : { model: { checkpoint: 'judge' } }),
    data: { sources: [{ type: 'mnist', holdout: { every: 10, part: 'train' } }] },
    evaluate: { accuracy: { sources: [{ type: 'mnist', holdout: { every: 10, part: 'test' } }] }, unitSize: 300 },
  })
  const results = evaluationUnits(job).map((unit) => ({
    unit,
    result: { values: Array.from({ length: unit.count }, (_, i) => ((unit.start + i) % 40 === 0 ? 0 : 1)), images: new Uint8Array(0) },
  }))
  return { ...madeUpRun(), job, items: 9000, forgetItems: 0, referenceImage: null, evaluation: new Map([['after', results.reverse()]]) }
}

t.test('share, count and interval', async (t) => {
  const report = await reportOf(trainedClassifier())
  t.same(report.accuracy, { before: null, after: { accuracy: 0.975, correct: 975, samples: 1000, interval: wilsonInterval(975, 1000) } })
  t.match(report, { forget: { before: null, after: null }, keep: { before: null, after: null }, method: 'classify' })
  t.same(runReport.parse(JSON.parse(JSON.stringify(report))), JSON.parse(JSON.stringify(report)))
  const { accuracy: _, ...older } = report
  t.same(runReport.parse(older).accuracy, { before: null, after: null }, 'reports from before there were classifiers are read')
})

t.test('in the table', async (t) => {
  t.equal(
    textTable(await reportOf(trainedClassifier())),
    `
                                                                                     after
─────────────────────────────────────────────────────────────   ──────────────────────────
accuracy on 1\u202f000 images of evaluate.accuracy (95 % interval)   97.50 % (96.34 to 98.30 %)`.slice(1),
  )
  const report = await reportOf(trainedClassifier())
  const { after } = report.accuracy
  const worse = after && { ...after, accuracy: 0.97 }
  t.match(rowsOf({ ...report, accuracy: { before: after, after: worse } }), [{ change: '−0.50 points', better: false }])
  t.match(rowsOf({ ...report, accuracy: { before: worse, after } }), [{ change: '+0.50 points', better: true }])
})

t.test('on the page', async (t) => {
  const page = async (input: ReportInput) =>
    Buffer.from((await reportFiles(input, '/')).files.find(({ path }) => path === 'report.html')?.bytes ?? []).toString()
  const trained = await page(trainedClassifier())
  t.match(trained, 'A classifier of')
  t.match(trained, '<b>97.50 %</b><span>right of 1\u202f000 images</span>')
  t.match(trained, '97.50 % (96.34 to 98.30 %)')
  t.match(trained, 'largest logit for 975 of 1\u202f000 images. Interval: Wilson, 95 %.')
  t.match(trained, 'That the classifier is as often right elsewhere.')
  t.match(await page(trainedClassifier('evaluate')), /A classifier of .* was measured/)
  t.notMatch(await page(madeUpRun()), /classifier/)
})
