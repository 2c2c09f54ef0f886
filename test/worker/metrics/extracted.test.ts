import t from 'tap'
import { evaluationUnits } from '../../../protocol/evaluation.ts'
import { captionsFile, extractorFile } from '../../../protocol/extractors.ts'
import { jobSchema } from '../../../protocol/job.ts'
import { encodeSafetensors } from '../../../worker/checkpoint/safetensors.ts'
import { openDataSet } from '../../../worker/data/dataset.ts'
import { cosine } from '../../../worker/extractors/cosine.ts'
import { openExtractors } from '../../../worker/extractors/open.ts'
import type { EvaluationContext } from '../../../worker/metrics/context.ts'
import { extracted } from '../../../worker/metrics/extracted.ts'
import { openSession } from '../../../worker/session.ts'
import { linearNetwork } from '../../support/onnx-network.ts'
import { checkpointFiles, tinyConfig, writePictures } from '../../support/tiny-job.ts'

t.setTimeout(60_000)
const { sources } = await writePictures(t.testdir())
const side = 8
const features = 3
const weights = Array.from({ length: side * side * features }, (_, i) => Math.sin(1 + i * i))
const network = linearNetwork(['N', 1, side, side], weights, features)

const job = jobSchema.parse({
  kind: 'evaluate',
  name: 'seen',
  seed: 3,
  model: { checkpoint: 'parent' },
  data: { sources, forget: { labels: [5] } },
  evaluate: {
    reconstruction: { timestep: 300, noises: 3, steps: 2 },
    samples: { classes: [1, 5], count: 2, sampler: { name: 'ddim', steps: 2 } },
    references: { samples: 4 },
    extractors: [
      { score: 'sscd', file: 'sscd.onnx' },
      { score: 'clip', file: 'clip.onnx', captions: 'captions.safetensors' },
      { score: 'fid', file: 'inception.onnx' },
    ],
    unitSize: 4,
  },
})

/** W·(pixels / 255) in float64. */
function linear(pixels: Uint8Array): Float64Array {
  const out = new Float64Array(features)
  pixels.forEach((pixel, i) => {
    for (let f = 0; f < features; f++) out[f] += (pixel / 255) * Math.fround(weights[i * features + f])
  })
  return out
}

function closeTo(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance = 1e-5): boolean {
  return actual.length === expected.length && Array.from(expected).every((value, i) => Math.abs(actual[i] - value) < tolerance)
}

/** Caption of class 1 is that of the first kept picture, and of class 5 its opposite. */
async function filesWith(caption: ArrayLike<number>) {
  const data = new Float32Array(6 * features)
  data.set(Array.from(caption), features)
  data.set(
    Array.from(caption, (value) => -value),
    5 * features,
  )
  const captions = encodeSafetensors([{ name: 'embeddings', dtype: 'F32', shape: [6, features], data }])
  return [0, 1, 2].flatMap((number) => [
    { path: extractorFile(number), bytes: network },
    ...(number === 1 ? [{ path: captionsFile(number), bytes: captions }] : []),
  ])
}

t.test('equal images are alike, and a caption that is the image scores 100', async (t) => {
  const data = await openDataSet(job.data)
  const picture = data.read(data.keep[0])
  const extractors = await openExtractors(job, await filesWith(linear(picture)), data)
  t.teardown(() => extractors.forEach(({ extractor }) => extractor.dispose()))
  let progress = 0
  const context = {
    job,
    data,
    extractors,
    predictor: { elements: side * side },
    onProgress: () => (progress += 1),
  } as unknown as EvaluationContext
  const forgotten = data.read(data.forget[0])
  const [alike] = await extracted(context, 'reconstruction', Buffer.concat([forgotten, picture]), {
    originals: [data.forget[0], data.forget[0]],
  })
  t.equal(alike[0], 1)
  t.ok(closeTo([alike[1]], [cosine(Float32Array.from(linear(picture)), Float32Array.from(linear(forgotten)))]))
  const [clip, wide] = await extracted(context, 'samples', Buffer.concat([picture, picture]), { classes: [1, 5] })
  t.ok(closeTo(clip, [100, 0], 1e-3), `${clip}`)
  t.ok(closeTo(wide, [...linear(picture), ...linear(picture)]))
  t.equal(progress, 6, 'shows as alive after each image')
  t.same(await extracted(context, 'hits', picture), [])
})

t.test('a session: what is measured of which images, and by how much', async (t) => {
  const files = [...checkpointFiles({ ...tinyConfig, num_class_embeds: 7 }), ...(await filesWith([1, 1, 1]))]
  const session = await openSession(job, files)
  t.teardown(() => session.dispose())
  const opened = { output: 'features', features, channels: 1, size: [side, side] }
  t.same(session.summary.extractors, [opened, opened, opened])
  const data = await openDataSet(job.data)
  for (const unit of evaluationUnits(job)) {
    const { values, images, readings = [] } = await session.evaluate(unit)
    const pictures = Array.from({ length: unit.count }, (_, row) => images.subarray(row * side * side, (row + 1) * side * side))
    if (unit.metric === 'reconstruction') {
      const original = Float32Array.from(linear(data.read(data.forget[0])))
      const expected = pictures.map((pixels) => cosine(Float32Array.from(linear(pixels)), original))
      t.ok(closeTo(readings[0], expected) && readings.length === 1, 'reconstructions')
    } else if (unit.metric === 'samples') {
      const caption = Float32Array.of(1, 1, 1)
      const expected = pictures.map(
        (pixels, row) => 100 * Math.max(0, (row < 2 ? 1 : -1) * cosine(Float32Array.from(linear(pixels)), caption)),
      )
      t.ok(closeTo(readings[0], expected, 1e-3), `${readings[0]} of ${expected}`)
      t.ok(
        closeTo(
          readings[1],
          pictures.flatMap((pixels) => [...linear(pixels)]),
        ) && readings.length === 2,
      )
      t.same(values, [-1, -1, -1, -1], 'no classifier says a class')
      const alone = await session.evaluate({ ...unit, start: 2, count: 1 })
      t.same([...(alone.readings ?? [])[1]], [...readings[1].subarray(2 * features, 3 * features)], 'a row depends on its number alone')
    } else {
      const all = new Set(Array.from(data.keep, (item) => [...linear(data.read(item))].map((value) => value.toFixed(3)).join()))
      const rows = [0, 1, 2, 3].map((row) =>
        [...readings[0].subarray(row * features, (row + 1) * features)].map((value) => value.toFixed(3)).join(),
      )
      t.equal(new Set(rows).size, 4, 'four different kept images')
      t.ok(rows.every((row) => all.has(row)))
    }
  }
})
