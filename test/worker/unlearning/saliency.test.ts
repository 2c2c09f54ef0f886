import fc from 'fast-check'
import t from 'tap'
import { salientWeights } from '../../../worker/unlearning/saliency.ts'

t.test('exactly the share, the largest, and of equal ones the first', async (t) => {
  t.same([...salientWeights(Float32Array.of(1, -5, 0, 3, -3, 2), 0.5)], [0, 1, 0, 1, 1, 0])
  t.same([...salientWeights(Float32Array.of(2, 2, -2, 2), 0.5)], [1, 1, 0, 0])
  t.same([...salientWeights(Float32Array.of(2, 2), 0.1)], [0, 0])
  const sums = fc.float32Array({ noNaN: true, noDefaultInfinity: true, minLength: 1, maxLength: 60 })
  fc.assert(
    fc.property(sums, fc.double({ min: 0.01, max: 1, noNaN: true }), (sum, share) => {
      const mask = salientWeights(sum, share)
      const chosen = mask.reduce((count, one) => count + one, 0)
      const least = Math.min(...sum.filter((_, i) => mask[i] === 1).map(Math.abs), Number.POSITIVE_INFINITY)
      return chosen === Math.floor(share * sum.length) && sum.every((value, i) => mask[i] === 1 || Math.abs(value) <= least)
    }),
  )
})
