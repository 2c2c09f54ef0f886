import t from 'tap'
import { permutation, SampleOrder } from '../../protocol/order.ts'

t.test('a permutation holds every item once', async (t) => {
  for (const n of [0, 1, 2, 3, 100, 10_101]) {
    const order = permutation(42, 'order_keep', 0, n)
    t.same(
      [...order].sort((a, b) => a - b),
      Array.from({ length: n }, (_, i) => i),
    )
  }
})

t.test('the order depends on seed, purpose and epoch, and on nothing else', async (t) => {
  const text = (...args: Parameters<typeof permutation>) => permutation(...args).join()
  t.equal(text(1, 'order_keep', 0, 50), text(1, 'order_keep', 0, 50))
  const all = [text(1, 'order_keep', 0, 50), text(2, 'order_keep', 0, 50), text(1, 'order_forget', 0, 50), text(1, 'order_keep', 1, 50)]
  t.equal(new Set(all).size, all.length)
})

t.test('all orders are equally likely', async (t) => {
  const counts = new Map<string, number>()
  const draws = 24_000
  for (let epoch = 0; epoch < draws; epoch++) {
    const name = permutation(9, 'order_keep', epoch, 4).join()
    counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  const expected = draws / 24
  const chiSquare = [...counts.values()].reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0)
  t.equal(counts.size, 24)
  t.ok(chiSquare < 49.7, `chi square ${chiSquare}`)
})

t.test('a sample order walks through reshuffled passes', async (t) => {
  const n = 37
  const order = new SampleOrder(3, 'order_keep', n)
  const expected = [0, 1, 2, 3].flatMap((epoch) => [...permutation(3, 'order_keep', epoch, n)])
  t.same(
    Array.from({ length: 4 * n }, (_, position) => order.at(position)),
    expected,
  )
  t.same(
    [140, 0, 80, 37, 36, 110, 1].map((position) => order.at(position)),
    [140, 0, 80, 37, 36, 110, 1].map((position) => expected[position]),
    'in any order of asking',
  )
})

t.test('one item is repeated for ever', async (t) => {
  const order = new SampleOrder(0, 'order_forget', 1)
  t.same(
    [0, 1, 2, 1_000_000].map((position) => order.at(position)),
    [0, 0, 0, 0],
  )
})

t.test('positions and sizes out of range are refused', async (t) => {
  for (const n of [0, -1, 1.5, 2 ** 32]) t.throws(() => new SampleOrder(0, 'order_keep', n), RangeError)
  const order = new SampleOrder(0, 'order_keep', 5)
  for (const position of [-1, 0.5, Number.NaN, 2 ** 53]) t.throws(() => order.at(position), RangeError)
})
