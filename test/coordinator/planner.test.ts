import fc from 'fast-check'
import t from 'tap'
import { plan } from '../../coordinator/planner.ts'
import { subtrees } from '../../protocol/tree.ts'

const members = (speeds: (number | null)[]) => speeds.map((speed, i) => ({ worker: `w${i + 1}`, speed }))
const loads = (speeds: (number | null)[], count: number) => plan(members(speeds), count).map(({ start, end }) => end - start)

t.test('ranges cover everything once, in order', async (t) => {
  const speed = fc.oneof(fc.constant(null), fc.double({ min: 0, max: 1e3, noNaN: true }))
  fc.assert(
    fc.property(fc.array(speed, { minLength: 1, maxLength: 12 }), fc.integer({ min: 1, max: 300 }), (speeds, count) => {
      const ranges = plan(members(speeds), count)
      t.equal(ranges.length, speeds.length)
      let next = 0
      for (const { start, end } of ranges) {
        if (start !== next || end < start) return false
        next = end
      }
      return next === count
    }),
  )
})

t.test('equal workers get equal shares, on subtree borders', async (t) => {
  t.strictSame(loads([null], 8), [8])
  t.strictSame(loads([null, null], 8), [4, 4])
  t.strictSame(loads([1, 1, 1, 1], 16), [4, 4, 4, 4])
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 200 }), (workers, count) => {
      const shares = loads(Array(workers).fill(1), count)
      return Math.max(...shares) <= Math.ceil((count / workers) * 1.1) + 1
    }),
  )
  const partials = plan(members([1, 1]), 100).flatMap(({ start, end }) => subtrees(start, end, 100))
  t.ok(partials.length <= 5, `${partials.length} partials of 100 micro-batches in two halves`)
})

t.test('a worker of twice the speed gets twice the work, an unmeasured one the mean', async (t) => {
  t.strictSame(loads([2, 1], 12), [8, 4])
  t.strictSame(loads([2, null, 4], 9), [2, 3, 4])
})
