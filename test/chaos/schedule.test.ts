import t from 'tap'
import { faultKinds, faultOf, workersOf } from './schedule.ts'

t.test('faults follow from seed, round and number alone', async (t) => {
  const faults = Array.from({ length: 400 }, (_, i) => faultOf('7', 1 + (i % 4), i))
  t.strictSame(faultOf('7', 2, 5), faults[5])
  t.notSame(faultOf('8', 2, 5), faults[5])
  t.notSame(faultOf('7', 3, 5), faults[5])
  t.strictSame(new Set(faults.map(({ kind }) => kind)), new Set(faultKinds), 'every kind comes')
  t.ok(faults.every(({ target, gapMs }) => target >= 0 && target < 1 && gapMs >= 300))
  const pauses = faults.filter(({ kind }) => kind === 'leader paused').map(({ durationMs }) => durationMs)
  t.ok(Math.min(...pauses) >= 2000 && Math.max(...pauses) <= 10_000)
  t.strictSame(new Set(Array.from({ length: 20 }, (_, round) => workersOf('7', round))), new Set([2, 3]))
})
