import { join } from 'node:path'
import t from 'tap'
import { jobSchema } from '../../../protocol/job.ts'
import { openDataSet } from '../../../worker/data/dataset.ts'
import { pixelDistance } from '../../../worker/metrics/distance.ts'
import { distinctForgotten, modelImage } from '../../../worker/metrics/images.ts'
import { examplesPath } from '../../cli/command.ts'

const flat = (value: number) => new Float32Array(784).fill(value)

t.test('L2 over pixels in [0,1]', async (t) => {
  t.equal(pixelDistance(flat(0.3), flat(0.3)), 0)
  t.equal(pixelDistance(flat(-1), flat(1)), 28, 'black to white')
  t.equal(pixelDistance(Float32Array.of(0.6, -0.2), Float32Array.of(0.6, 0.8)), pixelDistance(Float32Array.of(-0.2), Float32Array.of(0.8)))
  t.ok(Math.abs(pixelDistance(Float32Array.of(0, 0), Float32Array.of(0.6, 0.8)) - 0.5) < 1e-7)
})

t.test('a sample is clipped to what can be shown', async (t) => {
  t.equal(pixelDistance(flat(5), flat(1)), 0)
  t.equal(pixelDistance(flat(-7), flat(1)), 28)
})

t.test('the T-shirt counts as itself, and none of the 10 000 digits as the T-shirt', async (t) => {
  const path = join(examplesPath, 'data/tshirt.png')
  const job = jobSchema.parse({
    kind: 'evaluate',
    name: 'threshold',
    model: { checkpoint: 'any' },
    data: { sources: [{ type: 'mnist' }, { type: 'image', path, copies: 3 }], forget: { file: path } },
  })
  const data = await openDataSet(job.data)
  const distinct = distinctForgotten(data)
  t.equal(distinct.length, 1)
  const shirt = modelImage(data, distinct[0])
  t.equal(pixelDistance(modelImage(data, 10_002), shirt), 0)
  const nearest = Math.min(...Array.from(data.keep, (item) => pixelDistance(modelImage(data, item), shirt)))
  t.equal(data.keep.length, 10_000)
  t.ok(nearest > job.evaluate.threshold, `the nearest digit is ${nearest.toFixed(2)} away, the threshold ${job.evaluate.threshold}`)
})
