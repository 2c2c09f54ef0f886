import t from 'tap'
import { evaluationUnits } from '../../../protocol/evaluation.ts'
import { jobSchema } from '../../../protocol/job.ts'
import { pixelsToModel } from '../../../worker/data/pixels.ts'
import { openEngine } from '../../../worker/engine/open.ts'
import { accuracy, openAccuracyData } from '../../../worker/metrics/accuracy.ts'
import { Classifier } from '../../../worker/metrics/classifier.ts'
import { Model } from '../../../worker/model.ts'
import { configFiles, tinyClassifier, writePictures } from '../../support/tiny-job.ts'

const { sources } = await writePictures(t.testdir())
const job = (evaluate: object) =>
  jobSchema.parse({ kind: 'evaluate', name: 'judge', model: { checkpoint: 'parent' }, data: { sources }, evaluate })
const { model, parameters } = Model.initialise(configFiles(tinyClassifier), 3)
const classifier = await Classifier.compile(await openEngine({ name: 'onnx', threads: 1 }), model, { rows: 4 })
t.teardown(() => classifier.dispose())
const whole = job({ accuracy: { sources }, unitSize: 4 })
const data = await openAccuracyData(whole)
if (!data) throw new Error('no data')
const context = { classifier, parameters, data, seed: 7, onProgress: () => {} }

t.test('1 where the largest logit is that of the label, and every image once', async (t) => {
  let right = 0
  for (let index = 0; index < data.items; index++) {
    const { features, logits } = await classifier.classify(parameters, pixelsToModel(data.read(index), new Float32Array(64)))
    t.same([features.length, logits.length], [8, 6], 'of one image')
    if (logits.indexOf(Math.max(...logits)) === data.labels[index]) right += 1
  }
  const units = evaluationUnits(whole)
  t.same(units, [
    { metric: 'accuracy', start: 0, count: 4 },
    { metric: 'accuracy', start: 4, count: 3 },
  ])
  const results = await Promise.all(units.map((unit) => accuracy(context, unit)))
  const values = results.flatMap((result) => result.values)
  t.equal(values.length, data.items)
  t.ok(values.every((value) => value === 0 || value === 1))
  t.equal(
    values.reduce((sum, value) => sum + value, 0),
    right,
  )
  t.ok(results.every(({ images }) => images.length === 0))
})

t.test('an image has one value, whatever unit it is in', async (t) => {
  const { values } = await accuracy(context, { metric: 'accuracy', start: 0, count: 4 })
  const parts = [
    await accuracy(context, { metric: 'accuracy', start: 3, count: 1 }),
    await accuracy(context, { metric: 'accuracy', start: 0, count: 3 }),
  ]
  t.same([...parts[1].values, ...parts[0].values], values)
  const order = (seed: number) =>
    Promise.all(Array.from({ length: 7 }, (_, start) => accuracy({ ...context, seed }, { metric: 'accuracy', start, count: 1 })))
  const total = (results: Awaited<ReturnType<typeof order>>) => results.reduce((sum, { values }) => sum + values[0], 0)
  t.equal(total(await order(8)), total(await order(7)), 'another order, the same images')
})

t.test('a classifier that has diverged, or that cannot decide, is right about nothing', async (t) => {
  for (const value of [Number.NaN, 0]) {
    const { values } = await accuracy({ ...context, parameters: parameters.map(() => value) }, { metric: 'accuracy', start: 0, count: 4 })
    t.same(values, [0, 0, 0, 0], `${value}`)
  }
})

t.test('how many images', async (t) => {
  const counts = (evaluate: object) => evaluationUnits(job(evaluate)).map(({ count }) => count)
  t.same(counts({ accuracy: { sources, samples: 5 }, unitSize: 4 }), [4, 1])
  t.same(counts({ unitSize: 4 }), [])
  t.equal(await openAccuracyData(job({})), null)
  // As where a file holds fewer than the job says.
  const promised = { ...whole, evaluate: { ...whole.evaluate, accuracy: { sources, samples: 8 } } }
  await t.rejects(openAccuracyData(promised), { code: 'DATA_FORMAT', expected: 'at least 8', received: '7' })
})
