import t from 'tap'
import { checkSchedules } from './schedules.ts'

t.setTimeout(240_000)

t.test('any schedule of faults: half 1 of 2', async (t) => {
  checkSchedules(t, 1, 6001)
})
