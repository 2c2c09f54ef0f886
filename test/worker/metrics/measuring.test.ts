import t from 'tap'
import { classifierFolder } from '../../../protocol/checkpoint.ts'
import { type EvaluationUnit, evaluationUnits } from '../../../protocol/evaluation.ts'
import { jobSchema, type StepJob } from '../../../protocol/job.ts'
import { openSession } from '../../../worker/session.ts'
import { reduceRound } from '../../support/reduced-run.ts'
import { checkpointFiles, tinyClassifier, tinyConfig, writePictures } from '../../support/tiny-job.ts'

t.setTimeout(120_000)
const pictures = await writePictures(t.testdir())
const conditional = { ...tinyConfig, num_class_embeds: 7 }
const classifier = checkpointFiles(tinyClassifier).map(({ path, bytes }) => ({ path: `${classifierFolder}${path}`, bytes }))

const jobOf = (evaluate: object): StepJob =>
  jobSchema.parse({
    kind: 'unlearn',
    name: 'measured',
    seed: 3,
    model: { checkpoint: 'parent' },
    data: { sources: pictures.sources, forget: { labels: [5] } },
    method: { name: 'naive' },
    training: { steps: 2, batchSize: 4, microBatchSize: 4, optimizer: { learningRate: 0.01 } },
    evaluate: { classifier: 'judge', ...evaluate },
  }) as StepJob
const samples = { classes: [1, 5], count: 3, guidance: 1, sampler: { name: 'ddim', steps: 4 } }

t.test('samples and kept images as the classifier sees them', async (t) => {
  const job = jobOf({ samples, references: { samples: 4 }, unitSize: 4 })
  const session = await openSession(job, [...checkpointFiles(conditional), ...classifier])
  t.teardown(() => session.dispose())
  const units = evaluationUnits(job)
  t.same(
    units.map(({ metric, start, count }) => [metric, start, count]),
    [
      ['samples', 0, 4],
      ['samples', 4, 2],
      ['references', 0, 4],
    ],
  )
  for (const unit of units) {
    const { values, images, readings = [] } = await session.evaluate(unit)
    const [probabilities, features] = readings
    t.equal(values.length, unit.count)
    t.equal(images.length, unit.metric === 'samples' ? unit.count * 64 : 0)
    t.same([readings.length, probabilities.length, features.length], [2, 6 * unit.count, 8 * unit.count])
    for (const [row, value] of values.entries()) {
      const own = [...probabilities.subarray(6 * row, 6 * row + 6)]
      t.equal(own.indexOf(Math.max(...own)), value, 'the value is the most probable class')
      t.ok(Math.abs(own.reduce((sum, one) => sum + one, 0) - 1) < 1e-5)
    }
  }
  const alone = await session.evaluate({ metric: 'samples', start: 3, count: 1 })
  const together = await session.evaluate(units[0])
  t.same([...alone.images], [...together.images.subarray(3 * 64)], 'a sample depends on its number alone')
})

t.test('hits and samples of a model without classes are one draw, which tells the distance too', async (t) => {
  const sampler = { name: 'ddim', steps: 4 }
  const job = jobOf({ hits: { samples: 6, sampler }, samples: { count: 4, sampler }, unitSize: 4 })
  const files = [...checkpointFiles(tinyConfig), ...classifier]
  const session = await openSession(job, files)
  t.teardown(() => session.dispose())
  const units = evaluationUnits(job)
  t.same(
    units.map(({ metric, start, count }) => [metric, start, count]),
    [
      ['samples', 0, 4],
      ['samples', 4, 2],
    ],
    'as many as the larger number',
  )
  for (const unit of units) {
    const { values, images, readings = [] } = await session.evaluate(unit)
    const [distances, probabilities] = readings
    const apart = await session.evaluate({ ...unit, metric: 'hits' })
    t.same([...distances], apart.values.map(Math.fround), 'what the metric hits says of the same numbers')
    t.same([...images], [...apart.images])
    t.equal(probabilities.length, 6 * values.length)
  }
})

t.test('membership: two sets under one noise; distance; likelihood of a forgotten image', async (t) => {
  const membership = { timesteps: [100, 900], samples: 2 }
  const job = jobOf({ membership, distance: true, likelihood: { images: 1 }, unitSize: 8 })
  const session = await openSession(job, checkpointFiles(conditional))
  t.teardown(() => session.dispose())
  const unitOf = (metric: EvaluationUnit['metric']) => evaluationUnits(job).find((unit) => unit.metric === metric) as EvaluationUnit
  const losses = await session.evaluate(unitOf('membership'))
  t.equal(losses.values.length, 8)
  t.ok(losses.values.every((value) => value > 0))
  const [{ values: before }, { values: bits }] = [await session.evaluate(unitOf('distance')), await session.evaluate(unitOf('likelihood'))]
  t.same(before, [0], 'nothing has moved')
  t.ok(Number.isFinite(bits[0]), `${bits[0]} bits per dimension`)
  t.same((await session.evaluate(unitOf('likelihood'))).values, bits, 'the same bits again')
  const again = jobOf({ likelihood: { images: 2, probes: 2 }, unitSize: 8 })
  const other = await openSession(again, checkpointFiles(conditional))
  t.teardown(() => other.dispose())
  const runs = []
  for (const unit of evaluationUnits(again)) runs.push(await other.evaluate(unit))
  t.equal(runs.length, 4, 'a run is one image with one probe')
  t.equal(runs[0].values[0], bits[0])
  t.equal(new Set(runs.flatMap(({ values }) => values)).size, 4, 'each with a probe of its own')
  t.same(
    runs.map(({ readings = [] }) => readings[0][0]),
    [5, 5, 5, 5],
    'items 5 and 6 are one picture, and the answer says so',
  )
  await reduceRound(job, [session])
  const after = await session.evaluate(unitOf('distance'))
  // One step of AdamW moves every weight by about the learning rate.
  const expected = 0.01 * Math.sqrt(session.summary.parameterCount)
  t.ok(after.values[0] > 0.5 * expected && after.values[0] < 1.5 * expected)
})

t.test('a classifier of other images, or no classifier, is refused before any work', async (t) => {
  const job = jobOf({ samples })
  const large = checkpointFiles({ ...tinyClassifier, sample_size: 16 }).map((file) => ({
    ...file,
    path: `${classifierFolder}${file.path}`,
  }))
  await t.rejects(openSession(job, [...checkpointFiles(conditional), ...large]), { code: 'DATA_SHAPE' })
  const wrong = checkpointFiles(tinyConfig).map((file) => ({ ...file, path: `${classifierFolder}${file.path}` }))
  await t.rejects(openSession(job, [...checkpointFiles(conditional), ...wrong]), { code: 'CHECKPOINT_CONFIG' })
})
