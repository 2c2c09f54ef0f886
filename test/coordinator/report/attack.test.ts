import t from 'tap'
import { wilsonInterval } from '../../../coordinator/measures/wilson.ts'
import { attackMeasure } from '../../../coordinator/report/attack.ts'
import { reportFiles } from '../../../coordinator/report/files.ts'
import type { ReportInput } from '../../../coordinator/report/index.ts'
import { reportOf } from '../../../coordinator/report/summary.ts'
import { textTable } from '../../../coordinator/report/table.ts'
import { runReport } from '../../../protocol/report.ts'
import { madeUpAttack, madeUpRun } from '../../support/report-input.ts'

const pageOf = async (input: ReportInput) =>
  Buffer.from((await reportFiles(input, '/')).files.find(({ path }) => path === 'report.html')?.bytes ?? []).toString()

t.test('the recovery curve', async (t) => {
  const { job, measured } = madeUpAttack([0, 4, 16])
  const measure = attackMeasure(job, new Map([...measured].reverse()), null)
  t.match(measure?.points, [
    { step: 0, forgotten: { recognised: 0 }, kept: { recognised: 18 }, distance: 0, hits: { hits: 0, samples: 4 } },
    { step: 10, forgotten: { samples: 20, recognised: 4, interval: wilsonInterval(4, 20) }, distance: 0.5, hits: { hits: 1, samples: 4 } },
    { step: 40, forgotten: { recognised: 16 }, distance: 2, hits: { hits: 4 }, reconstructed: { reconstructed: 0, noises: 2 } },
  ])
  // Trapezoids: (0 + 0.2)/2·10 + (0.2 + 0.8)/2·30 = 16, of 40 steps.
  t.ok(Math.abs((measure?.areaUnderCurve ?? 0) - 0.4) < 1e-12)
  // 0.5 is half-way between 0.2 at 10 and 0.8 at 40.
  t.ok(Math.abs((measure?.halfRecovery?.step ?? 0) - 25) < 1e-12)
  t.match(measure, { images: 'retain', labels: 'own', halfRecovery: { share: 0.5, censoredAt: null }, stoppedAt: null })
})

t.test('an attack that has succeeded keeps its last share in the area; half is of what was measured', async (t) => {
  const { job, measured: all } = madeUpAttack([0, 8, 0], { stopAt: 0.4 })
  const measured = new Map([...all].filter(([step]) => step < 40))
  const measure = attackMeasure(job, measured, { stoppedAt: 10 })
  // (0 + 0.4)/2·10 + 0.4·30 = 14, of 40 steps.
  t.ok(Math.abs((measure?.areaUnderCurve ?? 0) - 0.35) < 1e-12)
  t.match(measure, { stoppedAt: 10, halfRecovery: { share: 0.5, step: null, censoredAt: 10 } })
  t.equal(measure?.points.length, 2)
})

t.test('a model that draws no images has no share, no area and no half', async (t) => {
  const input = madeUpAttack([0, 4, 16], { stopAt: 0.1 })
  const spoiled = (input.measured.get(40) ?? []).map(({ unit, result }) => ({
    unit,
    result: { ...result, values: result.values.map(() => Number.NaN) },
  }))
  const measured = new Map([...input.measured, [40, spoiled] as const])
  const report = await reportOf({ ...input, measured, evaluation: new Map([...input.evaluation, ['after', spoiled] as const]) })
  const none = { interval: null }
  t.match(report.attack, {
    points: [
      {},
      { forgotten: { recognised: 4 } },
      { forgotten: { recognised: null, ...none }, hits: { hits: null, ...none }, reconstructed: { reconstructed: null, ...none } },
    ],
    areaUnderCurve: null,
    halfRecovery: null,
  })
  t.match(report.forget.after, { hits: null, hitInterval: null, samples: 4, reconstructed: null, noises: 2 })
  t.same(runReport.parse(JSON.parse(JSON.stringify(report))), JSON.parse(JSON.stringify(report)))
  const table = textTable(report)
  t.match(table, /unlearning accuracy: .* not finite/)
  t.match(table, /forgotten classes recognised, mean over the attack +not finite/)
  t.match(table, /samples that are the image .* not finite/)
  const page = await pageOf({ ...input, measured, evaluation: new Map([['after', spoiled]]) })
  t.match(page, 'it draws no images')
  t.notMatch(page, /NaN|Infinity|undefined|null/)
})

t.test('what never came back is censored', async (t) => {
  const { job, measured } = madeUpAttack([0, 1, 3], { sources: [{ type: 'mnist' }] })
  t.match(attackMeasure(job, measured, null), { images: 'sources', halfRecovery: { share: 0.5, step: null, censoredAt: 40 } })
})

t.test('without samples there is no curve, but distances; other jobs are no attacks', async (t) => {
  const { job, measured } = madeUpAttack([0, 1, 3])
  const evaluate = { ...job.evaluate, samples: undefined, references: undefined }
  t.match(attackMeasure({ ...job, evaluate }, measured, null), {
    points: [{ forgotten: null, kept: null, distance: 0 }, {}, { distance: 2, hits: { hits: 4 } }],
    areaUnderCurve: null,
    halfRecovery: null,
  })
  t.match(attackMeasure(job, new Map(), null), { points: [], halfRecovery: null })
  t.equal(attackMeasure(madeUpRun().job, measured, null), null)
})

t.test('the report keeps its schema', async (t) => {
  const report = await reportOf(madeUpAttack([0, 4, 16]))
  t.same(runReport.parse(JSON.parse(JSON.stringify(report))), JSON.parse(JSON.stringify(report)))
  t.match(report, {
    kind: 'attack',
    steps: 40,
    rounds: 40,
    samples: { before: { forgotten: { recognised: 0 } }, after: { forgotten: { recognised: 16 } } },
    distance: { after: 2 },
    likelihood: { before: { bitsPerDimension: 5.5 }, after: { bitsPerDimension: 9.5 } },
  })
  const { samples, likelihood, membership, distance, attack, cost, rounds, classifierSha256, ...older } = report
  const none = { before: null, after: null }
  t.match(
    runReport.parse({ ...older, history: older.history.map(({ phase, ...record }) => record) }),
    {
      samples: none,
      likelihood: none,
      membership: none,
      distance: { after: null },
      attack: null,
      rounds: null,
      history: [{ phase: 'update' }],
    },
    'reports from before are read',
  )
})

t.test('in the table', async (t) => {
  const table = textTable(await reportOf(madeUpAttack([0, 4, 16])))
  for (const line of [
    /unlearning accuracy: of 20 samples of forgotten classes, not recognised +100\.0 % \(83\.9 to 100\.0 %\) +20\.0 % \(8\.1 to 41\.6 %\) +−80\.0 points/,
    /of 20 samples of kept classes, recognised +90\.0 % \(69\.9 to 97\.2 %\) +90\.0 % \(69\.9 to 97\.2 %\) +±0/,
    /inception score of our classifier, 20 samples +1\.00 \(1\.00 to 1\.00\)/,
    /Fréchet distance, features of ImageClassifier 0123456789ab +4 \(.* to .*\) +4 \(.* to .*\) +±0/,
    /precision, 3 nearest neighbours, the same features +1\.000 \(0\.839 to 1\.000\) +1\.000/,
    /bits per dimension of 2 forgotten images +5\.500 ± 0\.500 +9\.500 ± 0\.500 +\+4\.000/,
    /ε-loss at t = 800, forgotten less kept images +\+0\.02 ± 0\.0082 +\+0\.02 ± 0\.0082/,
    /L2 norm of the change of the weights since the attack began +2/,
    /forgotten classes recognised, mean over the attack +40\.0 %/,
    /50 % of them recognised again +step 25/,
  ])
    t.match(table, line)
})

t.test('on the page', async (t) => {
  const page = await pageOf(madeUpAttack([0, 4, 16]))
  for (const text of [
    'had been made to forget was trained again on the kept images of its data, with dimra: 40 steps on 2 workers',
    '<h2>Does it come back?</h2>',
    'It reached 50 % at step 25, interpolated between stops.',
    '<td>20.0 % (8.1 to 41.6 %) of 20</td>',
    '<h2>Samples by class</h2>',
    '40 samples (ddim, 20 steps, guidance 1.5), drawn before and after',
    'class 3 ×',
    '<h2>How likely is the forgotten image?</h2>',
    '<h2>Loss by time: forgotten and kept images</h2>',
    'This is not FID',
    'That other attacks do no better.',
    'median 520 ms, 90th percentile 535 ms, of 40 steps',
    '<h3>step 10</h3>',
  ])
    t.ok(page.includes(text), text)
  t.equal(page.match(/alt="class 3"/g)?.length, 2 + 3, 'before, after, and at each stop')
  t.notMatch(page, /<script|<link|(src|href)="(?!data:)|url\(|@import|NaN|Infinity|undefined/)
  const never = await pageOf(madeUpAttack([0, 1, 3], { sources: [{ type: 'mnist' }] }))
  t.ok(never.includes('trained again on other images'))
  t.ok(never.includes('It did not reach 50 % in 40 steps; what more steps would do is not known.'))
  const shuffled = await pageOf(madeUpAttack([0, 1, 3], { shuffleLabels: true }))
  t.ok(shuffled.includes('trained again on the kept images of its data with their labels shuffled, with dimra'))
  t.ok(shuffled.includes('Each of them has the label of another, as a control.'))
  t.notOk(never.includes('the label of another'))
  const nameless = await pageOf({ ...madeUpAttack([0, 4, 16]), referenceImage: null })
  t.equal(nameless.match(/alt="class 3"/g)?.length, 2 + 3, 'samples need no forgotten image')
  const unseen = await pageOf({ ...madeUpAttack([0, 4, 16]), referenceImage: null, imageShape: [1024, 1024, 3] })
  t.notMatch(unseen, '<img')
  t.ok(unseen.includes('<h2>Samples by class</h2>'), 'figures need no picture')
})

t.test('a method of several reductions an update', async (t) => {
  const run = madeUpRun()
  const { job } = run
  if (job.kind !== 'unlearn') return t.fail('another job')
  const history = run.history.flatMap((record) => [
    { ...record, phase: 'inner' as const, losses: { keep: 0, forget: 3 } },
    { ...record, phase: 'update' as const },
  ])
  const input = { ...run, history, stepMs: history.map(() => 50), job: { ...job, method: erasediff(job.method) } }
  t.match(await reportOf(input), { steps: 60, rounds: 120, cost: { millisecondsPerStep: { median: 100, steps: 60 } } })
  const page = await pageOf(input)
  t.match(page, '60 steps of 120 reductions in all')
  t.match(page, 'forget loss, inner steps')
  t.notMatch(page, 'keep loss, inner steps')
})

function erasediff({ timesteps }: { timesteps: [number, number] }) {
  return {
    name: 'erasediff' as const,
    eta: 1e-3,
    weight: { rule: 'adaptive' as const },
    target: 'uniform' as const,
    substitute: { rule: 'batch' as const },
    innerSteps: 1,
    timesteps,
  }
}
