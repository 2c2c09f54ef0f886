import t from 'tap'
import { Liveness, stallMs } from '../../../coordinator/net/liveness.ts'
import { silenceMs } from '../../../protocol/socket.ts'

const tickMs = 250
const mark = { step: 1, microBatches: 2, bytes: 3 }

t.test('silence', async (t) => {
  const liveness = new Liveness(tickMs)
  for (let ms = 0; ms < silenceMs; ms += tickMs) t.equal(liveness.tick(tickMs, false), null)
  t.match(liveness.tick(tickMs, false), /no heartbeat/)
  liveness.beat(mark)
  t.equal(liveness.tick(tickMs, false), null)
})

t.test('a pause of the coordinator counts as two ticks', async (t) => {
  const liveness = new Liveness(tickMs)
  t.equal(liveness.tick(60_000, false), null)
  t.equal(liveness.tick(60_000, false), null)
})

t.test('beats without progress, with work in hand', async (t) => {
  const liveness = new Liveness(tickMs)
  const run = (ms: number, hasWork: boolean, moves: boolean) => {
    let reason = null
    for (let passed = 0; passed < ms && reason === null; passed += tickMs) {
      liveness.beat(moves ? { ...mark, microBatches: passed } : mark)
      reason = liveness.tick(tickMs, hasWork)
    }
    return reason
  }
  t.equal(run(2 * stallMs, true, true), null, 'it moves')
  t.equal(run(2 * stallMs, false, false), null, 'it waits')
  t.match(run(2 * stallMs, true, false), /no progress/)
})
