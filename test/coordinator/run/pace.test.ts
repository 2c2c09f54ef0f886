import fc from 'fast-check'
import t from 'tap'
import { lateAfterMs, measure, type Pace } from '../../../coordinator/run/pace.ts'

const paceOf = (ratios: number[]): Pace => {
  const pace: Pace = { ratios: [] }
  for (const ratio of ratios) measure(pace, ratio)
  return pace
}

t.test('nobody is late while little is known', async (t) => {
  t.equal(lateAfterMs(paceOf([1, 1, 1, 1, 1, 1, 1]), 100), null)
  t.equal(lateAfterMs(paceOf([1, 1, 1, 1, 1, 1, 1, 1]), 100), 100 * (1 + 6 * 0.1) + 500)
})

t.test('median + 6 · MAD of what parts took', async (t) => {
  // Sorted 0.5 1 1 1 2 2 3 9: the median is 1.5, the deviations from it 0.5 0.5 0.5 0.5 0.5 1 1.5 7.5, whose median is 0.5.
  t.equal(lateAfterMs(paceOf([9, 1, 2, 1, 0.5, 3, 1, 2]), 1000), 1000 * (1.5 + 6 * 0.5) + 500)
})

t.test('one that was stuck does not make the others patient', async (t) => {
  const usual = Array.from({ length: 40 }, (_, i) => 0.9 + (i % 5) * 0.05)
  const before = lateAfterMs(paceOf(usual), 1000) as number
  const after = lateAfterMs(paceOf([...usual, 400, 500]), 1000) as number
  t.ok(after < 1.1 * before, `${after} after ${before}`)
})

t.test('old measurements and what is none are forgotten', async (t) => {
  const pace = paceOf([...Array.from({ length: 128 }, () => 50), ...Array.from({ length: 128 }, () => 1), Number.NaN, 0, -1, Infinity])
  t.strictSame(pace.ratios, Array(128).fill(1))
})

t.test('a part of the usual speed is never late', async () => {
  const ratios = fc.array(fc.double({ min: 0.01, max: 100, noNaN: true }), { minLength: 8, maxLength: 200 })
  fc.assert(
    fc.property(ratios, fc.double({ min: 0.1, max: 1e6, noNaN: true }), (values, expectedMs) => {
      const kept = values.slice(-128).sort((a, b) => a - b)
      const late = lateAfterMs(paceOf(values), expectedMs)
      return late !== null && late > expectedMs * kept[(kept.length - 1) >> 1]
    }),
  )
})
