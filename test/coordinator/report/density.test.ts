import t from 'tap'
import { likelihoodMeasure, membershipMeasure } from '../../../coordinator/report/density.ts'
import { attackJob, attackResults } from '../../support/report-input.ts'

const job = attackJob()
const likelihood = job.evaluate.likelihood as NonNullable<typeof job.evaluate.likelihood>

/** The same with other values of one metric. */
const withValues = (metric: string, value: (number: number) => number) =>
  attackResults(job, 0, 0).map(({ unit, result }) =>
    unit.metric === metric ? { unit, result: { ...result, values: result.values.map((_, i) => value(unit.start + i)) } } : { unit, result },
  )

t.test('likelihood: mean and standard error over images', async (t) => {
  const measure = {
    bitsPerDimension: 6.5,
    standardError: 0.5,
    errorOver: 'images',
    images: 2,
    probes: 1,
    runs: 2,
    values: [6, 7],
    runValues: [6, 7],
  }
  t.same(likelihoodMeasure(job, attackResults(job, 10, 0)), measure)
  const givenUp = withValues('likelihood', (number) => (number === 0 ? Number.NaN : 5))
  t.match(likelihoodMeasure(job, givenUp), { bitsPerDimension: null, standardError: null, images: 2, values: [null, 5] })
  t.equal(likelihoodMeasure(job, undefined), null)
  t.equal(likelihoodMeasure({ ...job, evaluate: { ...job.evaluate, likelihood: undefined } }, attackResults(job, 0, 0)), null)
})

t.test('likelihood: runs of an image are not images', async (t) => {
  const asked = (images: number, probes: number) => ({
    ...job,
    evaluate: { ...job.evaluate, likelihood: { ...likelihood, images, probes } },
  })
  const measured = (images: number, probes: number, item: (number: number) => number) =>
    likelihoodMeasure(asked(images, probes), attackResults(asked(images, probes), 0, 0, item))
  // Bits 5, 6, 7, 8: standard error √(5/3)/2.
  const one = measured(1, 4, () => 3)
  t.match(one, { bitsPerDimension: 6.5, errorOver: 'probes', images: 1, runs: 4, values: [6.5], runValues: [5, 6, 7, 8] })
  t.ok(Math.abs((one?.standardError ?? 0) - Math.sqrt(5 / 3) / 2) < 1e-12)
  t.match(
    measured(4, 1, () => 3),
    { images: 1, runs: 4, errorOver: 'probes' },
    'four were asked for, one is different',
  )
  t.match(
    measured(2, 2, (number) => number >> 1),
    { values: [5.5, 7.5], standardError: 1, errorOver: 'images', images: 2, runs: 4 },
  )
  t.match(
    measured(1, 1, () => 3),
    { standardError: null, images: 1, runs: 1 },
  )
})

t.test('membership: both sets and the gap, time by time', async (t) => {
  const rounded = (value: unknown) =>
    JSON.parse(JSON.stringify(value, (_, one) => (typeof one === 'number' ? Number(one.toFixed(12)) : one)))
  // Standard deviation 0.1 of three values.
  const error = 0.1 / Math.sqrt(3)
  const at = (timestep: number, scale: number) => ({
    timestep,
    forget: { loss: 0.4 * scale, standardError: error * scale },
    keep: { loss: 0.2 * scale, standardError: error * scale },
    gap: 0.2 * scale,
    gapStandardError: Math.SQRT2 * error * scale,
    samples: 3,
  })
  t.same(rounded(membershipMeasure(job, attackResults(job, 0, 0))), rounded([at(200, 1), at(800, 0.1)]))
  const diverged = membershipMeasure(
    job,
    withValues('membership', (number) => (number === 0 ? Number.POSITIVE_INFINITY : 1)),
  )
  t.match(diverged?.[0], { forget: { loss: null, standardError: null }, keep: { loss: 1 }, gap: null, gapStandardError: null })
  t.match(diverged?.[1], { gap: 0, gapStandardError: 0 })
  t.equal(membershipMeasure(job, undefined), null)
})
