import fc from 'fast-check'
import t from 'tap'
import { paretoFront } from '../../../coordinator/measures/pareto.ts'

const goals = { accuracy: 'maximise', distance: 'minimise' } as const

t.test('by hand', async (t) => {
  const rows = [
    { accuracy: 0.9, distance: 10 },
    { accuracy: 0.8, distance: 5 },
    { accuracy: 0.8, distance: 6 },
    { accuracy: 0.95, distance: 20 },
    { accuracy: 0.5, distance: 5 },
    { accuracy: 0.8, distance: 5 },
  ]
  t.same(paretoFront(rows, goals), [0, 1, 3, 5], 'equal rows share the front')
  t.same(paretoFront(rows, { accuracy: 'maximise' }), [3], 'axes that are not named do not count')
  t.same(paretoFront([], goals), [])
})

t.test('a row with a value missing is not on the front, and keeps nobody from it', async (t) => {
  const rows = [
    { accuracy: 0.9, distance: null },
    { accuracy: 0.5, distance: 5 },
    { accuracy: Number.NaN, distance: 1 },
    { accuracy: 0.99, distance: Number.NEGATIVE_INFINITY },
  ]
  t.same(paretoFront(rows, goals), [1])
})

t.test('every row is on the front or beaten by one of the front; nobody of the front is beaten', async (t) => {
  const row = fc.record({ accuracy: fc.integer({ min: 0, max: 6 }), distance: fc.integer({ min: 0, max: 6 }) })
  const property = fc.property(fc.array(row, { minLength: 1, maxLength: 20 }), (rows) => {
    const front = paretoFront(rows, goals)
    const beats = (one: (typeof rows)[number], other: (typeof rows)[number]) =>
      (one.accuracy > other.accuracy && one.distance <= other.distance) || (one.accuracy >= other.accuracy && one.distance < other.distance)
    return rows.every((own, i) => front.includes(i) !== front.some((k) => beats(rows[k], own)))
  })
  t.doesNotThrow(() => fc.assert(property))
})
