import t from 'tap'
import { inSeconds, spread, table } from './figures.ts'

t.test('percentiles are values that were measured', async (t) => {
  const values = Array.from({ length: 20 }, (_, i) => 20 - i)
  t.strictSame(spread(values), { count: 20, median: 10, p95: 19, max: 20 })
  t.strictSame(spread([5]), { count: 1, median: 5, p95: 5, max: 5 })
  t.equal(spread([]), null)
})

t.test('tables and times', async (t) => {
  t.equal(
    table([
      ['fault', 'n'],
      ['x', '12'],
    ]),
    'fault   n\nx      12',
  )
  t.equal(inSeconds(999.4), '999 ms')
  t.equal(inSeconds(1550), '1.6 s')
})
