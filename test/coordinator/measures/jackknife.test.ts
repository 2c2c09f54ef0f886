import t from 'tap'
import { frechetDistance } from '../../../coordinator/measures/frechet.ts'
import { frechetInterval } from '../../../coordinator/measures/jackknife.ts'
import { mean } from '../../../coordinator/measures/means.ts'
import { normals } from '../../../protocol/random.ts'

const drawn = (rows: number, width: number, sample: number, { scale = 1, shift = 0 } = {}) => ({
  rows,
  width,
  values: normals({ seed: 1, purpose: 'noise', step: 0, sample }, new Float32Array(rows * width)).map((value) => scale * value + shift),
})

t.test('about 95 of 100 intervals hold what the distance is on average at these numbers', async (t) => {
  const pairs = Array.from({ length: 200 }, (_, i) => [drawn(150, 2, 2 * i), drawn(120, 2, 2 * i + 1, { scale: 1.5, shift: 0.8 })] as const)
  const found = []
  for (const [one, other] of pairs) {
    const value = (await frechetDistance(one, other)) as number
    found.push({ value, interval: (await frechetInterval(one, other, value)) ?? [0, 0] })
  }
  const expected = mean(found.map(({ value }) => value))
  const held = found.filter(({ interval: [low, high] }) => low <= expected && expected <= high).length
  t.ok(held >= 180 && held < 200, `${held} of 200`)
})

t.test('where there is none', async (t) => {
  const [one, other] = [drawn(40, 3, 1), drawn(40, 3, 2)]
  t.ok(await frechetInterval(one, other, 1))
  t.equal(await frechetInterval(drawn(19, 3, 1), other, 1), null, 'fewer than two rows a block')
  t.equal(await frechetInterval(drawn(40, 2048, 1), drawn(40, 2048, 2), 1), null, 'features as wide as Inception’s')
  t.equal(await frechetInterval(one, other, Number.NaN), null)
  t.equal(await frechetInterval(one, other, null), null)
  const equal = await frechetInterval(one, one, 0)
  t.equal(equal?.[0], 0, 'no distance is below 0')
})

t.test('64 features of 512 samples take less than a second, and the event loop runs meanwhile', async (t) => {
  let ticks = 0
  const timer = setInterval(() => ticks++, 5)
  const before = process.cpuUsage()
  await frechetInterval(drawn(512, 64, 1), drawn(500, 64, 2), 1)
  const { user } = process.cpuUsage(before)
  clearInterval(timer)
  t.ok(user < 2e6, `${user / 1e6} s of CPU`)
  t.ok(ticks > 0)
})
