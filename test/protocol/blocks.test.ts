import fc from 'fast-check'
import t from 'tap'
import {
  blockElements,
  blockProducts,
  channelPairs,
  chunkElements,
  chunksOf,
  combineInPlace,
  sliceBorders,
  sumProducts,
} from '../../protocol/blocks.ts'

const noise = (length: number, seed: number) => {
  let state = seed | 1
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0
    return state / 2 ** 31
  })
}

t.test('slices cover everything in order, on borders of blocks, as evenly as blocks allow', async (t) => {
  const workers = fc.array(fc.record({ weight: fc.option(fc.double({ min: 0, max: 10, noNaN: true }), { nil: undefined }) }), {
    minLength: 1,
    maxLength: 9,
  })
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 * blockElements }), workers, (count, weights) => {
      const named = weights.map(({ weight }, i) => ({ worker: `w${i}`, ...(weight !== undefined && { weight }) }))
      const total = weights.reduce((sum, { weight = 1 }) => sum + weight, 0)
      if (total === 0) return
      const slices = sliceBorders(count, named)
      let position = 0
      for (const { worker, start, end } of slices) {
        t.equal(start, position)
        t.equal(start % blockElements, 0)
        t.ok(end > start)
        position = end
        const share = (count * (weights[Number(worker.slice(1))].weight ?? 1)) / total
        t.ok(Math.abs(end - start - share) < 2 * blockElements, `${end - start} of ${share}`)
      }
      t.equal(position, count)
      t.strictSame(
        slices.map(({ worker }) => worker),
        [...new Set(slices.map(({ worker }) => worker))].sort(),
        'each once, in order',
      )
    }),
    { numRuns: 300 },
  )
  t.strictSame(sliceBorders(1000, [{ worker: 'a', weight: 0 }, { worker: 'b' }]), [{ worker: 'b', start: 0, end: 1000 }])
  t.throws(() => sliceBorders(10, []), RangeError)
  t.throws(() => sliceBorders(10, [{ worker: 'a', weight: 0 }]), RangeError)
  t.throws(
    () =>
      sliceBorders(10, [
        { worker: 'a', weight: -1 },
        { worker: 'b', weight: 2 },
      ]),
    RangeError,
  )
})

t.test('chunks', async (t) => {
  t.strictSame(chunksOf(5, 5), [])
  t.strictSame(chunksOf(blockElements, blockElements + chunkElements + 1), [
    { start: blockElements, end: blockElements + chunkElements },
    { start: blockElements + chunkElements, end: blockElements + chunkElements + 1 },
  ])
})

t.test('products of parts are the products of the whole', async (t) => {
  const count = 3 * blockElements + 77
  const gradients = [1, 2, 3].map((seed) => noise(count, seed))
  const whole = blockProducts(gradients)
  const parts = [0, blockElements, 3 * blockElements].map((start, i, starts) =>
    blockProducts(gradients.map((gradient) => gradient.subarray(start, starts[i + 1] ?? count))),
  )
  t.strictSame(parts.flat(), whole)
  t.strictSame(channelPairs(3), [
    [0, 0],
    [0, 1],
    [0, 2],
    [1, 1],
    [1, 2],
    [2, 2],
  ])
  const scalars = sumProducts(whole, ['a', 'b', 'c'])
  for (const [i, one] of ['a', 'b', 'c'].entries())
    for (const [j, other] of ['a', 'b', 'c'].entries()) {
      const wanted = gradients[i].reduce((sum, value, k) => sum + value * gradients[j][k], 0)
      t.ok(Math.abs(scalars[one][other] - wanted) < 1e-7 * count, `${one}·${other}`)
    }
  t.throws(() => sumProducts(whole.slice(1), ['a', 'b', 'c']), RangeError)
})

t.test('the combination is rounded once', async (t) => {
  const gradients = [1, 2, 3].map((seed) => noise(1000, seed))
  const factors = [0.1, -1 / 3, 1e-9]
  const wanted = gradients[0].map((value, i) => 0.1 * value + (-1 / 3) * gradients[1][i] + 1e-9 * gradients[2][i])
  t.strictSame(combineInPlace(gradients, factors), wanted)
  t.strictSame(combineInPlace([Float32Array.of(3)], [0.5]), Float32Array.of(1.5))
})
