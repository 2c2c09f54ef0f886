import t from 'tap'
import type { JobResult } from '../../../coordinator/experiment/input.ts'
import { experimentReportOf } from '../../../coordinator/experiment/summary.ts'
import { wilsonInterval } from '../../../coordinator/measures/wilson.ts'
import { experimentReport } from '../../../protocol/experiment/report.ts'
import { keptLoss, madeUpAttack, madeUpModel, recognised } from '../../support/experiment.ts'

async function table(results: JobResult[], titles: Record<string, string> = {}) {
  const expansion = { name: 'made-up', title: 'Made up', text: '', budget: 'full', titles }
  const report = await experimentReportOf({ expansion, results, rerun: (ids) => `again ${ids.join(' ')}` })
  return experimentReport.parse(report)
}

const seed = (number: number, method = 'neggrad') => ({ seed: number, row: { method, seed: String(number) } })

t.test('shares are pooled, other numbers averaged, over seeds', async (t) => {
  const { columns, rows } = await table(
    [
      madeUpModel('a-1', seed(1), { ...recognised(1, 80), ...keptLoss(0.1) }),
      madeUpModel('a-2', seed(2), { ...recognised(4, 90), ...keptLoss(0.3) }),
      madeUpModel('a-3', seed(3), null),
      madeUpModel('b', seed(1, 'other'), keptLoss(0.5, 0.1)),
    ],
    { neggrad: 'NegGrad' },
  )
  t.same(
    columns.map(({ key }) => key),
    ['unlearningAccuracy', 'keptAccuracy', 'keepLoss'],
    'columns that no row has are left out',
  )
  const [first, second] = rows
  t.match(first, { title: 'NegGrad', seeds: ['1', '2', '3'], jobs: ['a-1', 'a-2', 'a-3'], rerun: 'again a-1 a-2 a-3' })
  const { unlearningAccuracy, keptAccuracy, keepLoss } = first.cells
  t.match(unlearningAccuracy, { value: 15 / 20, interval: wilsonInterval(15, 20), reduction: 'pooled over seeds', intervalKind: 'wilson' })
  t.same(
    unlearningAccuracy.readings.map(({ value, part, samples }) => [value, part, samples]),
    [
      [0.9, 9, 10],
      [0.6, 6, 10],
    ],
  )
  t.equal(keptAccuracy.value, 170 / 180)
  t.match(keepLoss, { value: 0.2, reduction: 'mean over seeds', intervalKind: 'bootstrap' })
  t.same(keepLoss.interval, [0.1, 0.3], 'of two seeds the resamples are each, both and the other')
  const [low, high] = second.cells.keepLoss.interval ?? [0, 0]
  t.ok(Math.abs(low - (0.5 - 0.1959963984540054)) < 1e-12 && Math.abs(high - (0.5 + 0.1959963984540054)) < 1e-12, 'one seed: ± 1.96 s.e.')
  t.equal(second.cells.keepLoss.intervalKind, 'normal')
})

t.test('a mean with a seed that has diverged is no number', async (t) => {
  const diverged = { keep: { before: null, after: { loss: null, samples: 8, standardError: null, losses: [] } } }
  const { rows } = await table([madeUpModel('a-1', seed(1), keptLoss(0.1)), madeUpModel('a-2', seed(2), diverged)])
  t.match(rows[0].cells.keepLoss, { value: null, interval: null, intervalKind: null })
})

t.test('a control that seeds share is counted once', async (t) => {
  const arms = (of: number) => ({ ...seed(of), controls: { original: 'o', retrained: `r-${of}` } })
  const { rows } = await table([
    madeUpAttack('a-1', arms(1), [0, 20, 60]),
    madeUpAttack('a-2', arms(2), [0, 20, 60]),
    madeUpAttack('o', {}, [80, 90, 90]),
    madeUpAttack('r-1', {}, [0, 0, 10]),
    madeUpAttack('r-2', {}, [0, 0, 20]),
  ])
  const [{ end, controls }] = rows[0].attacks
  t.same(end.interval, wilsonInterval(120, 200))
  t.same(controls.original?.end.interval, wilsonInterval(90, 100), 'one run of 100 samples, however many seeds have it')
  t.same(
    controls.original?.end.readings.map(({ seed, job }) => [seed, job]),
    [['1', 'o']],
  )
  t.same(controls.original?.half.readings.length, 1)
  t.same(controls.retrained?.end.interval, wilsonInterval(30, 200), 'runs of their own are pooled')
})

t.test('an attack stands beside its controls, and half is of what the original shows', async (t) => {
  const controls = { original: 'o', retrained: 'r' }
  const { rows } = await table([
    madeUpAttack('a-1', { ...seed(1), controls }, [0, 20, 60]),
    madeUpAttack('a-2', { ...seed(2), controls }, [10, 10, 20]),
    madeUpAttack('o', {}, [80, 90, 90]),
    madeUpAttack('r', {}, [0, 0, 10]),
  ])
  const [{ name, measure, start, end, area, half, curve, controls: arms, distance }] = rows[0].attacks
  t.same([name, measure], ['kept data', 'recognised'])
  t.equal(start.value, 10 / 200)
  t.equal(end.value, 80 / 200)
  // (0 + 20)/2·10 + (20 + 60)/2·10 = 500 of 20 steps, in shares 0.25; the other one 0.125.
  t.ok(Math.abs((area.value ?? 0) - (0.25 + 0.125) / 2) < 1e-12)
  t.same(half.readings, [
    { seed: '1', job: 'a-1', step: 15, censoredAt: null, target: 0.4, original: 'o' },
    { seed: '2', job: 'a-2', step: null, censoredAt: 20, target: 0.4, original: 'o' },
  ])
  t.same([half.step, half.censoredAt], [15, null])
  t.same(curve, [
    { step: 0, share: 0.05, low: 0, high: 0.1 },
    { step: 10, share: 0.15000000000000002, low: 0.1, high: 0.2 },
    { step: 20, share: 0.4, low: 0.2, high: 0.6 },
  ])
  t.equal(distance.value, 2)
  t.equal(arms.original?.half.step, 0, 'the original begins with more than half')
  t.match(arms.retrained?.half, { step: null, censoredAt: 20 })
})

t.test('an attack that had succeeded keeps its last share; without a control, half is of 1', async (t) => {
  const { rows } = await table([madeUpAttack('a', seed(1), [0, 100])])
  const [{ seeds, area, half, controls }] = rows[0].attacks
  t.same(
    seeds[0].points.map(({ step, part, isCarried }) => [step, part, isCarried]),
    [
      [0, 0, false],
      [10, 100, false],
      [20, 100, true],
    ],
  )
  t.equal(area.value, 0.75)
  t.match(half, { step: 5, readings: [{ target: 0.5, original: null }] })
  t.same(controls, { original: null, retrained: null })
})

t.test('the Pareto front of forgetting, quality and robustness', async (t) => {
  const row = (method: string, forgotten: number, kept: number, end: number) => [
    madeUpModel(method, { row: { method } }, recognised(forgotten, kept)),
    madeUpAttack(`${method}-attacked`, { row: { method } }, [0, 0, end]),
  ]
  const { comparison } = await table([
    ...row('a', 0, 80, 50),
    ...row('b', 1, 70, 60),
    ...row('c', 5, 90, 90),
    madeUpModel('d', { row: { method: 'd' } }, recognised(0, 90)),
  ])
  t.same(
    comparison.axes.map(({ of, goal }) => `${of} ${goal}`),
    ['forgetting maximise', 'quality maximise', 'robustness minimise'],
  )
  t.same(comparison.front, [0, 2], 'b is beaten by a; d was not attacked and is not judged')
})
