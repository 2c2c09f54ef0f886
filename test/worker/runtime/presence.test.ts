import { randomBytes } from 'node:crypto'
import t, { type Test } from 'tap'
import { Broker } from '../../../coordinator/broker/broker.ts'
import { downSubject, upSubject } from '../../../protocol/bus/subjects.ts'
import type { LetheError } from '../../../protocol/errors.ts'
import { decodeMessage, encodeMessage } from '../../../protocol/frame.ts'
import { type CoordinatorMessage, type UpPacket, upPacket, type Welcome } from '../../../protocol/messages.ts'
import { Presence } from '../../../worker/runtime/presence.ts'
import { Watermark } from '../../../worker/runtime/watermark.ts'
import { until } from '../../support/fake-coordinator.ts'
import { toyJob } from '../../support/toy-run.ts'

const hex = (bytes: number) => randomBytes(bytes).toString('hex')
const epoch = 7
const finish = { type: 'finish', reason: 'over' } as const

async function begin(t: Test) {
  const broker = new Broker({ folder: null })
  const bus = broker.local()
  const welcome: Welcome = {
    type: 'welcome',
    worker: 'w1',
    memberKey: hex(32),
    address: hex(16),
    heartbeatMs: 50,
    runId: hex(32),
    job: toyJob(t.testdir()),
    files: [],
    reducer: 'central',
    meshKey: hex(32),
  }
  const packets: UpPacket[] = []
  await bus.subscribe(upSubject('default', welcome.runId), ({ data }) => packets.push(decodeMessage(data, upPacket)))
  const messages: CoordinatorMessage[] = []
  const errors: LetheError[] = []
  const watermark = new Watermark()
  const presence = new Presence({
    ...{ bus, cluster: 'default', epoch, welcome, watermark },
    onMessage: (message) => messages.push(message),
    onError: (error) => errors.push(error),
  })
  await presence.start()
  t.teardown(async () => {
    presence.end()
    await bus.close()
    await broker.close()
  })
  const say = (packet: object | Uint8Array) =>
    bus.publish(
      downSubject('default', welcome.runId, welcome.address),
      packet instanceof Uint8Array ? packet : encodeMessage({ epoch, seq: 0, ack: 0, body: null, ...packet }),
    )
  return { presence, welcome, packets, messages, errors, watermark, say }
}

t.test('heartbeats carry the watermark, messages carry none', async (t) => {
  const { presence, welcome, packets, watermark } = await begin(t)
  watermark.add('microBatches', 3)
  await until(() => packets.some(({ mark }) => mark?.microBatches === 3))
  presence.post({ type: 'leaving', reason: 'done' })
  await until(() => packets.some(({ body }) => body !== null))
  t.match(
    packets.find(({ body }) => body !== null),
    { epoch, seq: 1, worker: 'w1', memberKey: welcome.memberKey, body: { type: 'leaving' }, mark: null },
  )
})

t.test('only what the present leader says counts', async (t) => {
  const { messages, errors, say } = await begin(t)
  say({ epoch: epoch - 1, seq: 1, body: { ...finish, reason: 'of a deposed leader' } })
  say({ epoch: epoch + 1, seq: 1, body: { ...finish, reason: 'of a leader that is not known yet' } })
  say({ seq: 1, body: finish })
  say({ seq: 1, body: finish })
  await until(() => messages.length > 0)
  t.strictSame([messages, errors], [[finish], []])
})

t.test('what is no packet ends the membership', async (t) => {
  const { presence, packets, errors, say } = await begin(t)
  say(Buffer.from('garbage'))
  await until(() => errors.length > 0)
  t.match(errors, [{ code: 'CONNECTION_FRAME' }])
  const count = packets.length
  presence.post({ type: 'leaving', reason: 'done' })
  await new Promise((resolve) => setTimeout(resolve, 200))
  t.equal(packets.length, count, 'nothing is said any more')
  t.equal(errors.length, 1)
})

t.test('the last word is waited for', async (t) => {
  const { presence, say } = await begin(t)
  presence.post({ type: 'leaving', reason: 'done' })
  const from = performance.now()
  setTimeout(() => say({ ack: 1 }), 300)
  await presence.finish()
  t.ok(performance.now() - from > 250)
  const other = await begin(t)
  other.presence.post({ type: 'leaving', reason: 'done' })
  const since = performance.now()
  await other.presence.finish()
  t.ok(performance.now() - since > 900 && performance.now() - since < 3000, 'but not for ever')
})
