import t from 'tap'
import { bootstrapInterval } from '../../../coordinator/measures/intervals.ts'
import { wilsonInterval } from '../../../coordinator/measures/wilson.ts'
import { normals } from '../../../protocol/random.ts'

const meanOf = (values: ArrayLike<number>) => (sampled: Uint32Array) => sampled.reduce((sum, row) => sum + values[row], 0) / sampled.length

t.test('three rows: the quantiles of all 27 resamples', async (t) => {
  // Of the means times three, 0 has 1 of 27, 1 has 3, 2 has 3; from above 15 has 1, 11 has 3.
  const interval = await bootstrapInterval(3, meanOf([0, 1, 5]), { seed: 2, resamples: 4000, confidence: 0.8 })
  t.same(interval, [1 / 3, 11 / 3])
  t.same(await bootstrapInterval(3, meanOf([0, 1, 5]), { seed: 2, resamples: 4000 }), [0, 5])
})

t.test('of a mean it is close to mean ± 1.96 standard errors', async (t) => {
  const values = normals({ seed: 6, purpose: 'noise', step: 0, sample: 0 }, new Float32Array(400))
  const mean = values.reduce((sum, value) => sum + value, 0) / 400
  const error = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 399 / 400)
  const [low, high] = (await bootstrapInterval(400, meanOf(values), { seed: 1 })) as [number, number]
  t.ok(Math.abs((mean - low) / (1.96 * error) - 1) < 0.1, `${low}`)
  t.ok(Math.abs((high - mean) / (1.96 * error) - 1) < 0.1, `${high}`)
})

t.test('keyed by the seed, for any statistic', async (t) => {
  const values = [3, 1, 4, 1, 5, 9, 2, 6]
  const largest = async (sampled: Uint32Array) => Math.max(...Array.from(sampled, (row) => values[row]))
  const interval = await bootstrapInterval(8, largest, { seed: 5 })
  t.same(await bootstrapInterval(8, largest, { seed: 5 }), interval)
  t.equal(interval?.[1], 9)
  const seen = new Set<string>()
  for (const seed of [5, 6]) await bootstrapInterval(8, (sampled) => seen.add(sampled.join()).size, { seed, resamples: 20 })
  t.equal(seen.size, 40, 'other seeds and other numbers draw other rows')
})

t.test('what has no interval', async (t) => {
  t.equal(await bootstrapInterval(0, () => 1, { seed: 1 }), null)
  t.equal(await bootstrapInterval(4, (sampled) => (sampled.includes(2) ? Number.NaN : 1), { seed: 1 }), null)
  t.same(await bootstrapInterval(1, () => 7, { seed: 1, resamples: 1 }), [7, 7])
})

t.test('of a share: Wilson, one published value', async (t) => {
  t.same(
    wilsonInterval(81, 263).map((share) => share.toFixed(4)),
    ['0.2553', '0.3662'],
  )
})
