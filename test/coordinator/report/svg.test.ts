import fc from 'fast-check'
import t from 'tap'
import { curveSvg, niceTicks } from '../../../coordinator/report/svg.ts'

t.test('ticks are round and cover the values', (t) => {
  t.same(niceTicks(0, 299, 5), [0, 100, 200, 300])
  t.same(niceTicks(0.021, 0.048, 4), [0.02, 0.03, 0.04, 0.05])
  t.same(niceTicks(5, 5, 4).length > 1, true)
  fc.assert(
    fc.property(fc.double({ min: -1e6, max: 1e6, noNaN: true }), fc.double({ min: 1e-6, max: 1e6, noNaN: true }), (low, span) => {
      const ticks = niceTicks(low, low + span, 4)
      const slack = 1e-9 * (Math.abs(low) + span)
      return ticks.length >= 2 && ticks.length <= 8 && ticks[0] <= low + slack && (ticks.at(-1) ?? 0) >= low + span - slack
    }),
  )
  t.end()
})

t.test('a long run is thinned, a constant one has a height', (t) => {
  const long = curveSvg({ name: 'keep', title: 'keep loss', points: Array.from({ length: 100_000 }, (_, i) => [i, 1 / (i + 1)] as const) })
  t.ok(long.length < 30_000)
  for (const svg of [
    long,
    curveSvg({
      name: 'keep',
      title: 'flat',
      points: [
        [0, 3],
        [1, 3],
      ],
    }),
    curveSvg({ name: 'keep', title: 'one', points: [[7, 3]] }),
  ]) {
    t.notMatch(svg, /NaN|Infinity/)
  }
  t.end()
})
