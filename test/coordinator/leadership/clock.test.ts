import t from 'tap'
import { sleepClock } from '../../../coordinator/leadership/clock.ts'

t.test('the clock goes on while the machine sleeps, and never goes back', async (t) => {
  let monotonic = 5000
  let wall = 1_700_000_000_000
  const now = sleepClock(
    () => monotonic,
    () => wall,
  )
  const pass = (monotonicMs: number, wallMs: number) => {
    monotonic += monotonicMs
    wall += wallMs
    return now()
  }
  t.equal(now(), 0)
  t.equal(pass(10, 10), 10)
  t.equal(pass(5, 60_005), 60_015, 'the machine slept for a minute')
  t.equal(pass(20, -3_600_000), 60_035, 'the wall clock was set back')
  t.equal(pass(20, 20), 60_055)
  t.equal(pass(20, 3_600_000), 3_660_055, 'set forward, it looks like a pause')
})

t.test('the real clocks agree', async (t) => {
  const now = sleepClock()
  await new Promise((resolve) => setTimeout(resolve, 50))
  const passed = now()
  t.ok(passed >= 49 && passed < 5000, `${passed} ms`)
})
