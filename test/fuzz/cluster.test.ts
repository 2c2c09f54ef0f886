import t from 'tap'
import { startNats } from '../support/nats.ts'
import { judge } from './judge.ts'
import { siegeCluster } from './siege.ts'

/*
 * A real NATS server, on which anyone may publish, the coordinator's bulk port, and a worker's port. 100 000 messages on each; a tenth
 * where every message costs a connection: `node --import tsx test/fuzz/main.ts` sends all of them.
 */

t.setTimeout(280_000)

t.test('malformed messages harm nobody, and strangers get nothing', async (t) => {
  const options = { folder: t.testdir(), seed: 47, messages: 100_000, connections: 10_000, seconds: 40 }
  const report = await siegeCluster(await startNats(t), { ...options, say: (text) => t.comment(text) })
  for (const { what, isMet } of judge(report)) t.ok(isMet, what)
})
