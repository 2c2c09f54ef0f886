import t from 'tap'
import { checkSchedules } from './schedules.ts'

t.setTimeout(240_000)

t.test('any schedule of faults: half 2 of 2', async (t) => {
  checkSchedules(t, 6001, 12_001)
})
