import { JetStreamApiError } from '@nats-io/jetstream'
import t from 'tap'
import { apiCodes, ensureStream, type NatsContext } from '../../../protocol/bus/nats/context.ts'
import { NatsBus } from '../../../protocol/bus/nats.ts'
import { startNats } from '../../support/nats.ts'
import { bytes } from './conformance/substrate.ts'

const apiError = (err_code: number) => new JetStreamApiError({ code: 400, err_code, description: 'scripted' })

/** A server that refuses to make the stream, and shows it after some questions; a real one does so once in some thousand races. */
function scripted(refusal: number, questionsUntilShown: number): NatsContext {
  let questions = 0
  const streams = {
    info: async () => {
      if (++questions <= questionsUntilShown) throw apiError(apiCodes.streamNotFound)
      return { created: '2026-01-01T00:00:00Z' }
    },
    add: async () => {
      throw apiError(refusal)
    },
  }
  return { connection: {}, jsm: { streams }, replicas: 1 } as unknown as NatsContext
}

t.test('a stream that another client is making just now is awaited, whatever the server says', async (t) => {
  await ensureStream(scripted(apiCodes.nameInUse, 1), { name: 'one' })
  await ensureStream(scripted(apiCodes.subjectsOverlap, 4), { name: 'one' })
  const other = ensureStream(scripted(apiCodes.subjectsOverlap, Number.POSITIVE_INFINITY), { name: 'one' })
  await t.rejects(other, { code: apiCodes.subjectsOverlap }, 'a stream of another name that has the subjects')
})

t.test('many clients put into a queue that none of them has made', async (t) => {
  const server = await startNats(t)
  const buses = await Promise.all(Array.from({ length: 6 }, () => NatsBus.open(server.url)))
  t.teardown(() => Promise.all(buses.map((bus) => bus.close())))
  for (let round = 0; round < 20; round++) {
    const queues = await Promise.all(
      Array.from({ length: 18 }, (_, i) => buses[i % 6].queue(`round-${round}`, { leaseMs: 1000, maxDeliveries: 3 })),
    )
    const results = await Promise.all(queues.map((queue, i) => queue.put(`item-${i}`, bytes(`${i}`))))
    t.ok(results.every(Boolean))
    t.equal(await queues[0].size(), 18)
  }
})
