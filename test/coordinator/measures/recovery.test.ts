import t from 'tap'
import { recoveryOf } from '../../../coordinator/measures/recovery.ts'

const curve = (...points: [step: number, share: number][]) => points.map(([step, share]) => ({ step, share }))

t.test('the half is found between two points, the area by trapezoids', async (t) => {
  const recovery = recoveryOf(curve([0, 0], [10, 0.2], [50, 0.6], [100, 0.9]), 0.8)
  // 0.4 of 0.2..0.6 on 10..50: half way. 0.1·10 + 0.4·40 + 0.75·50 over 100 steps.
  t.ok(Math.abs((recovery.halfStep as number) - 30) < 1e-12)
  t.ok(Math.abs((recovery.area as number) - 0.545) < 1e-12)
  t.equal(recovery.censoredAt, null)
})

t.test('a line has half of its end in its middle, whatever the steps are', async (t) => {
  for (const steps of [
    [20, 220],
    [20, 30, 100, 220],
    [20, 119, 120, 121, 220],
  ]) {
    const { area, halfStep } = recoveryOf(
      steps.map((step) => ({ step, share: (step - 20) / 200 })),
      1,
    )
    t.ok(Math.abs((area as number) - 0.5) < 1e-12)
    t.ok(Math.abs((halfStep as number) - 120) < 1e-12)
  }
})

t.test('a curve that never reaches the half is censored at its end', async (t) => {
  t.same(recoveryOf(curve([0, 0], [200, 0.49]), 1), { area: 0.245, halfStep: null, censoredAt: 200 })
  t.same(recoveryOf(curve([0, 0], [200, 0]), 0), { area: 0, halfStep: null, censoredAt: 200 }, 'nothing was there')
})

t.test('the first crossing counts where the curve turns', async (t) => {
  const { halfStep, area } = recoveryOf(curve([0, 0.1], [10, 0.7], [20, 0.2], [40, 0.9]), 0.8)
  t.ok(Math.abs((halfStep as number) - 5) < 1e-12)
  t.ok(Math.abs((area as number) - (4 + 4.5 + 11) / 40) < 1e-12)
  t.equal(recoveryOf(curve([0, 0.5], [10, 0.5]), 1).halfStep, 0, 'nothing was forgotten')
  t.equal(recoveryOf(curve([5, 0.2], [10, 0.5]), 1).halfStep, 10, 'the half itself is back')
})

t.test('one point has no area', async (t) => {
  t.same(recoveryOf(curve([0, 0.2]), 1), { area: null, halfStep: null, censoredAt: 0 })
})

t.test('curves that are none', async (t) => {
  for (const bad of [
    curve(),
    curve([0, 0], [0, 1]),
    curve([10, 0], [5, 1]),
    curve([0, Number.NaN]),
    curve([0, 0], [Number.POSITIVE_INFINITY, 1]),
  ])
    t.throws(() => recoveryOf(bad, 1), { code: 'INTERNAL' })
  t.throws(() => recoveryOf(curve([0, 0]), Number.NaN), { code: 'INTERNAL' })
})
