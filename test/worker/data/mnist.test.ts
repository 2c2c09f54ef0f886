import { createRequire } from 'node:module'
import t from 'tap'
import { openMnist } from '../../../worker/data/mnist.ts'

t.test('all 10 000 digits, bytes recovered exactly', async (t) => {
  const { items, labels, pixels } = await openMnist()
  t.equal(items, 10_000)
  const counts = new Array<number>(10).fill(0)
  for (const label of labels) counts[label]++
  t.same(counts, [1001, 1127, 991, 1032, 980, 863, 1014, 1070, 944, 978])
  const { data } = createRequire(import.meta.url)('mnist/src/digits/9.json') as { data: number[] }
  const start = (10_000 - 978) * 784
  const worst = data.reduce((most, value, i) => Math.max(most, Math.abs(255 * value - pixels[start + i])), 0)
  t.ok(worst < 0.13, `three decimals leave no doubt about a byte: off by ${worst} at most`)
})
