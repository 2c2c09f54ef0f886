import t from 'tap'
import { Liveness, patienceOf } from '../../../coordinator/net/liveness.ts'
import { silenceMs } from '../../../protocol/socket.ts'

const tickMs = 250
const stallMs = patienceOf(null)
const mark = { step: 1, microBatches: 2, bytes: 3 }

t.test('silence', async (t) => {
  const liveness = new Liveness(tickMs)
  for (let ms = 0; ms < silenceMs; ms += tickMs) t.equal(liveness.tick(tickMs, null), null)
  t.match(liveness.tick(tickMs, null), /no heartbeat/)
  liveness.beat(mark)
  t.equal(liveness.tick(tickMs, null), null)
})

t.test('a pause of the coordinator counts as two ticks', async (t) => {
  const liveness = new Liveness(tickMs)
  t.equal(liveness.tick(60_000, null), null)
  t.equal(liveness.tick(60_000, null), null)
})

t.test('beats without progress, with work in hand', async (t) => {
  const liveness = new Liveness(tickMs)
  const run = (ms: number, patienceMs: number | null, moves: boolean) => {
    let reason = null
    for (let passed = 0; passed < ms && reason === null; passed += tickMs) {
      liveness.beat(moves ? { ...mark, microBatches: passed } : mark)
      reason = liveness.tick(tickMs, patienceMs)
    }
    return reason
  }
  t.equal(run(2 * stallMs, stallMs, true), null, 'it moves')
  t.equal(run(2 * stallMs, null, false), null, 'it waits')
  t.match(run(2 * stallMs, stallMs, false), /no progress for 300 s/)
})

t.test('a slow worker gets longer', async (t) => {
  t.equal(patienceOf(1 / 1000), stallMs, 'a micro-batch of a second')
  t.equal(patienceOf(1 / 240_000), 20 * 240_000, 'a micro-batch of four minutes')
})
