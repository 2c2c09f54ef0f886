import t from 'tap'
import { evaluationUnits } from '../../../protocol/evaluation.ts'
import { normals } from '../../../protocol/random.ts'
import { openDataSet } from '../../../worker/data/dataset.ts'
import { pixelsToModel } from '../../../worker/data/pixels.ts'
import { makeSchedule } from '../../../worker/diffusion/schedule.ts'
import { evaluateUnit } from '../../../worker/metrics/evaluate.ts'
import { tinyJob, writePictures } from '../../support/tiny-job.ts'
import { fakePredictor } from './fake-predictor.ts'

const elements = 64
const pictures = await writePictures(t.testdir())
const job = tinyJob('unlearn', pictures)
const data = await openDataSet(job.data)
const schedule = makeSchedule(job.diffusion)
const forgotten = pixelsToModel(data.read(data.forget[0]), new Float32Array(elements))
const kept = pixelsToModel(data.read(0), new Float32Array(elements))

const knows = (image: Float32Array) =>
  fakePredictor(elements, (value, i, time) => (value - schedule.signal[time] * image[i]) / schedule.noise[time])
const context = (predictor: ReturnType<typeof knows>, ownJob = job, ownData = data) => ({
  predictor,
  parameters: new Float32Array(0),
  schedule,
  seed: job.seed,
  onProgress: () => {},
  job: ownJob,
  data: ownData,
  isConditional: false,
  judge: null,
  extractors: [],
})
const distance = Math.sqrt(kept.reduce((sum, value, i) => sum + ((value - forgotten[i]) / 2) ** 2, 0))

for (const metric of ['reconstruction', 'hits'] as const) {
  t.test(`${metric}: distance 0 where the network knows the picture, else that of what it draws`, async (t) => {
    const unit = { metric, start: 0, count: 3 }
    const before = await evaluateUnit(context(knows(forgotten)), unit)
    t.equal(before.values.length, 3)
    t.ok(before.values.every((value) => value < 1e-3))
    t.same(
      before.images,
      Uint8Array.from({ length: 3 * elements }, (_, i) => data.read(data.forget[0])[i % elements]),
      'pictures in 8 bits',
    )
    const after = await evaluateUnit(context(knows(kept)), unit)
    t.ok(after.values.every((value) => Math.abs(value - distance) < 1e-3))
    t.same(
      after.images,
      Uint8Array.from({ length: 3 * elements }, (_, i) => data.read(0)[i % elements]),
    )
  })
}

t.test('with several forgotten pictures a sample is compared with the nearest, and noises take turns', async (t) => {
  const several = { ...job, data: { ...job.data, forget: { indices: [0, 5] } } }
  const others = await openDataSet(several.data)
  const hits = await evaluateUnit(context(knows(kept), several, others), { metric: 'hits', start: 0, count: 1 })
  t.ok(hits.values[0] < 1e-3)
  const turns = await evaluateUnit(context(knows(kept), several, others), { metric: 'reconstruction', start: 1, count: 3 })
  t.same(
    turns.values.map((value) => value < 1e-3),
    [false, true, false],
  )
})

t.test('keepLoss: a network that says nothing leaves the whole noise', async (t) => {
  const silent = fakePredictor(elements, () => 0)
  const { values, images } = await evaluateUnit(context(silent), { metric: 'keepLoss', start: 2, count: 2 })
  t.equal(images.length, 0)
  values.forEach((value, row) => {
    const noise = normals({ seed: job.seed, purpose: 'keep_loss_noise', step: 0, sample: 2 + row }, new Float32Array(elements))
    t.ok(Math.abs(value - noise.reduce((sum, one) => sum + one * one, 0) / elements) < 1e-9)
  })
})

t.test('a number of a metric has one value, whatever unit it is in', async (t) => {
  const vague = fakePredictor(elements, (value, i, time) => 0.3 * value + Math.sin(time + i))
  for (const metric of ['reconstruction', 'hits', 'keepLoss'] as const) {
    const whole = await evaluateUnit(context(vague), { metric, start: 0, count: 4 })
    const parts = [
      await evaluateUnit(context(vague), { metric, start: 0, count: 1 }),
      await evaluateUnit(context(vague), { metric, start: 1, count: 3 }),
    ]
    t.same(
      parts.flatMap((part) => part.values),
      whole.values,
      metric,
    )
    t.same(
      parts.flatMap((part) => [...part.images]),
      [...whole.images],
    )
  }
})

t.test('units are those of the job, and none where a metric is not asked for', async (t) => {
  const units = evaluationUnits(job)
  const count = (metric: string) => units.filter((unit) => unit.metric === metric).reduce((sum, unit) => sum + unit.count, 0)
  t.same(['reconstruction', 'hits', 'keepLoss'].map(count), [4, 6, 6])
  t.same(evaluationUnits({ ...job, evaluate: { unitSize: 4, threshold: 10, before: true, distance: false } }), [])
})
