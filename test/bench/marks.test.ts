import t from 'tap'
import { commonRates, rateOf } from '../../bench/marks.ts'

/** A run at `rate` steps per second from `startMs` on, with a mark at these steps. */
const run = (startMs: number, rate: number, steps: readonly number[]) => steps.map((step) => ({ at: startMs + (1000 * step) / rate, step }))

t.test('a rate leaves the warm-up out', async (t) => {
  const marks = [{ at: 0, step: 1 }, ...run(5000, 2, [4, 8, 12, 16])]
  t.equal(rateOf(marks, 4), 2)
  t.ok(rateOf(marks, 1) < 1.5, 'with it, the rate is another')
  t.throws(() => rateOf(marks, 13), /too little/)
  t.throws(() => rateOf([], 1), /too little/)
})

t.test('runs side by side are compared over the time that they share', async (t) => {
  const [slow, fast] = commonRates([run(0, 2, [1, 4, 8, 12, 16]), run(1000, 4, [1, 4, 8, 12, 16])], 4)
  t.ok(Math.abs(slow - 2) < 1e-9 && Math.abs(fast - 4) < 1e-9)

  // The second run ends early and the first speeds up then: what it gains is not counted.
  const speedingUp = [...run(0, 2, [4, 8, 12]), { at: 6500, step: 24 }]
  const rates = commonRates([speedingUp, run(0, 4, [4, 8, 12, 16, 20, 24])], 4)
  t.same(
    rates.map((rate) => rate.toFixed(6)),
    ['2.000000', '4.000000'],
  )
  t.throws(() => commonRates([run(0, 2, [1, 4, 8]), run(60_000, 2, [1, 4, 8])], 1), /same time/)
})
