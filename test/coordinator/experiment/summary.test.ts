import t from 'tap'
import { experimentHtml } from '../../../coordinator/experiment/html.ts'
import type { JobResult } from '../../../coordinator/experiment/input.ts'
import { experimentReportOf } from '../../../coordinator/experiment/summary.ts'
import { experimentTable } from '../../../coordinator/experiment/table.ts'
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
  // Of 0.9 and 0.6 Student's t is wider than all shares there are.
  t.match(unlearningAccuracy, { value: 15 / 20, interval: [0, 1], reduction: 'pooled over seeds', intervalKind: 'student' })
  t.same(
    unlearningAccuracy.readings.map(({ value, part, samples }) => [value, part, samples]),
    [
      [0.9, 9, 10],
      [0.6, 6, 10],
    ],
  )
  t.equal(keptAccuracy.value, 170 / 180)
  t.match(keepLoss, { value: 0.2, reduction: 'mean over seeds', intervalKind: 'student' })
  // s/√2 of 0.1 and 0.3 is 0.1; one degree of freedom. No loss is below 0.
  t.ok(near(keepLoss.interval, [0, 0.2 + 1.27062]))
  t.ok(near(second.cells.keepLoss.interval, [0.5 - 0.236462, 0.5 + 0.236462]), 'one seed of 8 samples: t with 7 degrees of freedom')
  t.equal(second.cells.keepLoss.intervalKind, 'student')
})

t.test('a number that lacks seeds says so, and wins no column', async (t) => {
  const report = await table([
    madeUpModel('a-1', seed(1), recognised(1, 89)),
    madeUpModel('a-2', seed(2), null),
    madeUpAttack('a-2-attacked', { ...seed(2), controls: { original: 'o', retrained: 'r' } }, [0, 20, 60]),
    madeUpModel('b-1', seed(1, 'whole'), recognised(2, 80)),
    madeUpModel('b-2', seed(2, 'whole'), recognised(2, 80)),
    madeUpModel('c', { seed: 7, row: { method: 'without a label' } }, recognised(3, 70)),
  ])
  const html = experimentHtml(report, new Map())
  t.match(html, /98\.9 %<small>[^<]*<\/small><small>n = 90<\/small><small>seed 1 only</)
  t.match(html, /<td class="best">88\.9 %/, 'of 98.9 %, 88.9 % and 77.8 %')
  t.match(html, /neggrad<small>seed 2 only<\/small>/, 'and an attack')
  t.equal(html.match(/ only</g)?.length, 3)
  const text = experimentTable(report)
  t.match(text, /^neggrad +90\.0 % \([^)]*\), seed 1 only +98\.9 % \([^)]*\), seed 1 only$/m)
  t.match(text, /^neggrad +kept data, seed 2 only /m)
})

const near = (interval: readonly number[] | null, expected: readonly number[]) =>
  interval?.every((end, i) => Math.abs(end - expected[i]) < 1e-6) ?? false

t.test('shares of seeds that agree have the pooled interval of Wilson', async (t) => {
  const { rows } = await table([1, 2, 3].map((number) => madeUpModel(`a-${number}`, seed(number), recognised(2, 80 + (number % 2)))))
  const { unlearningAccuracy, keptAccuracy } = rows[0].cells
  t.match(unlearningAccuracy, { value: 24 / 30, interval: wilsonInterval(24, 30), intervalKind: 'wilson' })
  t.match(keptAccuracy, { interval: wilsonInterval(242, 270), intervalKind: 'wilson' }, 'Student’s would be narrower')
})

t.test('with one seed every number has the interval of its own run', async (t) => {
  const featureSpace = 'features'
  const measured = recognised(1, 80).samples?.after
  const samples = {
    ...(measured as NonNullable<typeof measured>),
    inceptionScore: { mean: 8, standardDeviation: 0.3, interval: null, chunks: 10, samples: 500 },
    frechetDistance: { value: 5, interval: [4, 6] as [number, number], featureSpace, samples: 500, references: 400 },
    precisionRecall: {
      ...{ precision: 0.9, recall: 0.5, precisionInterval: null, recallInterval: null },
      neighbours: 3,
      featureSpace,
      samples: 500,
      references: 400,
    },
  }
  const loss = { loss: 1, standardError: 0.1 }
  const gap = (timestep: number, gapStandardError: number) => ({
    timestep,
    forget: loss,
    keep: loss,
    gap: 0.2,
    gapStandardError,
    samples: 20,
  })
  const forget = {
    ...{ reconstructionL2: 12, reconstructionInterval: null, reconstructed: 0, noises: 4, timestep: 500, hits: null, samples: 0 },
    hitInterval: null,
    threshold: 10,
    reconstructionDistances: [11, 11, 13, 13],
    sampleDistances: [],
  }
  const { rows } = await table([
    madeUpModel('a', seed(1), {
      samples: { before: null, after: samples },
      membership: { before: null, after: [gap(200, 0.1), gap(800, 0.3)] },
      forget: { before: null, after: forget },
    }),
  ])
  const { cells } = rows[0]
  // Deviation 0.3 over 10 chunks, divided by their number: standard error 0.3/√9.
  t.ok(near(cells.inceptionScore.interval, [8 - 0.226216, 8 + 0.226216]))
  t.match(cells.frechetDistance, { interval: [4, 6], intervalKind: 'jackknife' })
  t.match(cells.precision, { value: 0.9, interval: wilsonInterval(450, 500), intervalKind: 'wilson' })
  t.match(cells.recall, { value: 0.5, interval: wilsonInterval(200, 400), intervalKind: 'wilson' })
  t.ok(near(cells.reconstructionL2.interval, [12 - 3.18245 / Math.sqrt(3), 12 + 3.18245 / Math.sqrt(3)]))
  // Standard error 0.2, 19 degrees of freedom.
  t.ok(near(cells.membershipGap.interval, [0.2 - 0.2 * 2.093024, 0.2 + 0.2 * 2.093024]))
  t.same(
    Object.entries(cells).filter(([, { interval }]) => interval === null),
    [],
  )
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
    madeUpAttack('r-1', {}, [0, 0, 15]),
    madeUpAttack('r-2', {}, [0, 0, 15]),
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
  // Wilson's ends of 0 and 100 of 100: 0 to 0.0370, and 0.9630 to 1.
  const [low, high] = area.interval ?? [0, 0]
  t.ok(Math.abs(low - 0.963 * 0.75) < 1e-4 && Math.abs(high - (0.75 + 0.037 / 4)) < 1e-4)
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

t.test('a model that draws no images is on no front, and no row has a number of it', async (t) => {
  const row = (method: string) => ({ row: { method } })
  const report = await table([
    madeUpModel('a', row('a'), recognised(1, 80)),
    madeUpAttack('a-attacked', row('a'), [0, 10, 50]),
    madeUpModel('b', row('b'), recognised(null, null)),
    madeUpAttack('b-attacked', row('b'), [null, null, null]),
    madeUpModel('c-1', seed(1, 'c'), recognised(0, 85)),
    madeUpModel('c-2', seed(2, 'c'), recognised(null, 85)),
    madeUpAttack('c-attacked', row('c'), [0, 20, null]),
  ])
  const [, b, c] = report.rows
  for (const cell of [b.cells.unlearningAccuracy, b.cells.keptAccuracy, c.cells.unlearningAccuracy])
    t.match(cell, { value: null, interval: null, intervalKind: null })
  t.equal(c.cells.keptAccuracy.value, 170 / 180)
  t.match(b.attacks[0], {
    start: { value: null },
    end: { value: null },
    area: { value: null },
    half: { step: null, censoredAt: null },
    curve: [],
  })
  t.match(c.attacks[0], { end: { value: null }, area: { value: null }, curve: [{ step: 0 }, { step: 10 }] })
  t.equal(c.attacks[0].curve.length, 2)
  t.same(report.comparison.front, [0])
  t.match(experimentTable(report), /b +kept data +not finite +not finite +not finite +not finite/)
  t.notMatch(experimentHtml(report, new Map()), /NaN|Infinity|undefined|null/)
})
