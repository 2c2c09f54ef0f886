import t from 'tap'
import { precisionAndRecall } from '../../../coordinator/measures/neighbours.ts'
import { normals } from '../../../protocol/random.ts'

const line = (...values: number[]) => ({ rows: values.length, width: 1, values })
const cloud = (rows: number, seed: number, scale: number, width = 5) => ({
  rows,
  width,
  values: normals({ seed, purpose: 'noise', step: 0, sample: 0 }, new Float32Array(rows * width)).map((value) => scale * value),
})

t.test('by hand, on a line', async (t) => {
  const real = line(0, 1, 2, 10)
  const generated = line(0.5, 5, 100, 101)
  // Radii of the real ones 1, 1, 1, 8; of the generated ones 4.5, 4.5, 1, 1.
  t.same(await precisionAndRecall(real, generated, { neighbours: 1 }), { precision: 0.5, recall: 0.75 })
  t.same(
    await precisionAndRecall(line(0, 1), line(2, 3), { neighbours: 1 }),
    { precision: 0.5, recall: 0.5 },
    'the border belongs to the ball',
  )
  t.same(await precisionAndRecall(line(0, 0, 0, 5), line(0, 0, 0, 6)), { precision: 1, recall: 1 }, 'equal samples, three neighbours')
})

t.test('as the definition, over sorted distances', async (t) => {
  const [real, generated] = [cloud(60, 1, 1), cloud(45, 2, 0.9)]
  const row = ({ values, width }: typeof real, i: number) => Array.from(values.subarray(i * width, (i + 1) * width))
  const distance = (one: number[], other: number[]) => Math.hypot(...one.map((value, k) => value - other[k]))
  const all = (set: typeof real) => Array.from({ length: set.rows }, (_, i) => row(set, i))
  const share = (samples: number[][], set: number[][], k: number) => {
    // The nearest of all is the sample itself.
    const radii = set.map((one) => set.map((other) => distance(one, other)).sort((a, b) => a - b)[k])
    return samples.filter((one) => set.some((other, j) => distance(one, other) <= radii[j])).length / samples.length
  }
  for (const neighbours of [1, 2, 3]) {
    const expected = { precision: share(all(generated), all(real), neighbours), recall: share(all(real), all(generated), neighbours) }
    t.same(await precisionAndRecall(real, generated, { neighbours }), expected)
    t.ok(
      expected.precision > 0 && expected.precision < 1 && expected.recall > 0 && expected.recall < 1,
      `a test that tells: ${expected.precision}, ${expected.recall}`,
    )
  }
})

t.test('too narrow a generator is precise and recalls little; too wide a one the other way round', async (t) => {
  const real = cloud(200, 1, 1)
  const narrow = await precisionAndRecall(real, cloud(200, 2, 0.3))
  t.ok(narrow && narrow.precision > 0.9 && narrow.recall < 0.5)
  const wide = await precisionAndRecall(real, cloud(200, 2, 3))
  t.ok(wide && wide.precision < 0.5 && wide.recall > 0.9)
  t.same(await precisionAndRecall(real, { ...real, values: real.values.map((value) => value + 100) }), { precision: 0, recall: 0 })
})

t.test('what has no neighbours', async (t) => {
  t.equal(await precisionAndRecall(line(1, 2, 3), line(1, 2, 3, 4, 5)), null, 'three of them have two others each')
  t.same(await precisionAndRecall(line(0, 1, 2, 3), line(Number.NaN, Number.NaN, Number.NaN, Number.NaN)), { precision: 0, recall: 0 })
  await t.rejects(precisionAndRecall(line(1, 2, 3), cloud(3, 1, 1)), { code: 'INTERNAL' })
  await t.rejects(precisionAndRecall(line(1, 2, 3), line(1, 2, 3), { neighbours: 0 }), { code: 'INTERNAL', received: '0' })
})
