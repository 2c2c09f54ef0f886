import t from 'tap'
import { judge } from './judge.ts'
import { siegeEmbedded } from './siege.ts'

/*
 * The coordinator's port. 100 000 messages by strangers, and as many by those with the token on the bus; a tenth on its subjects, which
 * cluster.test.ts attacks in full, and where messages cost a membership: `node --import tsx test/fuzz/main.ts` sends all of them.
 */

t.setTimeout(280_000)

t.test('malformed messages harm nobody, and strangers get nothing', async (t) => {
  const options = { folder: t.testdir(), seed: 46, messages: 100_000, connections: 10_000, seconds: 40 }
  for (const { what, isMet } of judge(await siegeEmbedded({ ...options, say: (text) => t.comment(text) }))) t.ok(isMet, what)
})
