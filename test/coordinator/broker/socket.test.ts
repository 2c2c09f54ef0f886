import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { Broker } from '../../../coordinator/broker/broker.ts'
import type { Role } from '../../../coordinator/broker/permissions.ts'
import { EmbeddedBus } from '../../../protocol/bus/embedded/client.ts'
import { SocketLink } from '../../../protocol/bus/embedded/websocket.ts'
import { maxMessageBytes } from '../../../protocol/frame.ts'
import { pack, unpack } from '../../../protocol/msgpack.ts'
import { bytes, refused, text, until } from '../../protocol/bus/conformance/substrate.ts'

/** A broker in memory behind a socket; the path says which role the peer has. */
async function serve(t: Test) {
  const broker = new Broker({ folder: null })
  const sockets = new WebSocketServer({ noServer: true, maxPayload: maxMessageBytes, perMessageDeflate: false })
  const server = createServer()
  server.on('upgrade', (request, socket, head) => {
    const role = (request.headers.role ?? 'worker') as Role
    sockets.handleUpgrade(request, socket, head, (one) => broker.attach(one, { role }))
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`
  t.teardown(async () => {
    for (const one of sockets.clients) one.terminate()
    await broker.close()
    await new Promise((resolve) => server.close(resolve))
  })
  const open = async (role: Role) => {
    const bus = new EmbeddedBus(await SocketLink.open({ url, headers: { role } }))
    t.teardown(() => bus.close())
    return bus
  }
  const raw = async (role: Role) => {
    const socket = new WebSocket(url, { headers: { role } })
    t.teardown(() => socket.terminate())
    socket.on('error', () => {})
    await once(socket, 'open')
    return socket
  }
  return { broker, open, raw }
}

t.test('a worker that does what it may not is told so, and parted from', async (t) => {
  const { broker, open, raw } = await serve(t)
  const coordinator = broker.local()
  const heard: string[] = []
  await coordinator.subscribe('lethe.*.*.up', ({ data }) => heard.push(text(data) as string))
  await coordinator.subscribe('lethe.*.*.join', ({ respond }) => respond(bytes('welcome')))

  const worker = await open('worker')
  t.equal(text(await worker.request('lethe.default.run.join', bytes(''), { timeoutMs: 2000 })), 'welcome')
  worker.publish('lethe.default.run.up', bytes('packet'))
  t.ok(await until(() => heard.length === 1))

  const outlaw = await raw('worker')
  const closed = once(outlaw, 'close')
  const [answer] = await Promise.all([
    once(outlaw, 'message'),
    outlaw.send(pack({ op: 'set', id: 1, bucket: 'lethe-default', key: 'leader.run', value: bytes('me'), expected: null })),
  ])
  const message = unpack(answer[0] as Buffer) as { op: string; error: { message: string } }
  t.equal(message.op, 'refused')
  t.match(message.error.message, /worker may not set in lethe-default/)
  t.equal((await closed)[0], 1008)
  t.equal(await (await coordinator.keyValue('lethe-default')).get('leader.run'), null)
  t.equal(await refused((await worker.keyValue('secrets')).get('a')), 'CONNECTION_FRAME')
})

t.test('garbage ends a connection, and nothing else', async (t) => {
  const { broker, raw } = await serve(t)
  const answersRequests = broker.local()
  await answersRequests.subscribe('lethe.*.*.join', ({ respond }) => respond(bytes('welcome')))
  const garbage = [
    Buffer.from([]),
    Buffer.from('hello'),
    Buffer.from([0xc1]),
    pack({ op: 'publish' }),
    pack({ op: 'publish', subject: 'a b', data: bytes('') }),
    pack({ op: 'nothing' }),
    pack({ op: 'subscribe', id: -1, sid: 1, pattern: 'a' }),
    pack({ op: 'publish', subject: 'a', data: 'text' }),
    pack({ op: 'get', id: 1, bucket: '../x', key: 'a' }),
    pack({ op: 'unsubscribe', sid: 1, extra: true }),
  ]
  for (const bad of garbage) {
    const socket = await raw('coordinator')
    const closed = once(socket, 'close')
    socket.send(bad)
    t.equal((await closed)[0], 1008, `parted from after ${Buffer.from(bad).toString('hex').slice(0, 40)}`)
  }
  const large = await raw('coordinator')
  const closed = once(large, 'close')
  large.send(Buffer.alloc(maxMessageBytes + 1))
  t.equal((await closed)[0], 1009, 'a message that is too large is not even read')
  t.equal(text(await broker.local().request('lethe.a.b.join', bytes(''), { timeoutMs: 1000 })), 'welcome', 'the bus lives')
})

t.test('random bytes never harm the broker', async (t) => {
  const { broker, raw } = await serve(t)
  const valid = pack({ op: 'set', id: 1, bucket: 'b', key: 'k', value: bytes('v'), expected: null })
  const damaged = fc
    .array(fc.tuple(fc.nat({ max: valid.length - 1 }), fc.nat({ max: 255 })), { minLength: 1, maxLength: 4 })
    .map((edits) => edits.reduce((out, [at, byte]) => out.fill(byte, at, at + 1), Buffer.from(valid)))
  for (const bad of fc.sample(fc.oneof(fc.uint8Array({ maxLength: 60 }), damaged), { numRuns: 300, seed: 3 })) {
    const socket = await raw('coordinator')
    socket.send(bad)
    socket.terminate()
  }
  const values = await broker.local().keyValue('after')
  t.ok((await values.put('a', bytes('1'))) > 0)
})

t.test('a subscriber that does not read is cut off, and the others go on', async (t) => {
  const { broker, open, raw } = await serve(t)
  const slow = await raw('coordinator')
  slow.send(pack({ op: 'subscribe', id: 1, sid: 1, pattern: 'flood' }))
  await once(slow, 'message')
  const quick = await open('coordinator')
  let got = 0
  await quick.subscribe('flood', () => got++)
  slow.pause()
  const sender = broker.local()
  const ended = once(slow, 'close')
  const data = new Uint8Array(500_000)
  for (let i = 0; i < 200; i++) {
    sender.publish('flood', data)
    await sleep(1)
  }
  t.ok(await until(() => got === 200))
  slow.resume()
  t.equal((await ended)[0], 1006, 'cut off')
})

t.test('one peer cannot hold any number of subscriptions or calls', async (t) => {
  const { raw } = await serve(t)
  const subscriber = await raw('worker')
  let closed = once(subscriber, 'close')
  const down = (i: number) => `lethe.default.run.down.${i}`
  for (let i = 0; i < 100; i++) subscriber.send(pack({ op: 'subscribe', id: i, sid: i, pattern: down(i) }))
  t.equal((await closed)[0], 1008)

  const taker = await raw('admin')
  closed = once(taker, 'close')
  for (let i = 0; i < 2000; i++) taker.send(pack({ op: 'take', id: i, queue: 'q', waitMs: 60_000, leaseMs: 1000, maxDeliveries: 1 }))
  t.equal((await closed)[0], 1008)
})

t.test('what a peer that is gone held goes on with others', async (t) => {
  const { broker, raw } = await serve(t)
  const queue = await broker.local().queue('left', { leaseMs: 60_000, maxDeliveries: 3 })
  const gone = await raw('coordinator')
  gone.send(pack({ op: 'take', id: 1, queue: 'left', waitMs: 60_000, leaseMs: 300, maxDeliveries: 3 }))
  await sleep(50)
  gone.terminate()
  await sleep(50)
  await queue.put('item', bytes('x'))
  t.equal((await queue.take({ waitMs: 2000 }))?.id, 'item', 'a taker that is gone takes nothing')
  const server = await raw('coordinator')
  server.send(pack({ op: 'subscribe', id: 1, sid: 1, pattern: 'served' }))
  await once(server, 'message')
  server.terminate()
  t.ok(await until(async () => (await refused(broker.local().request('served', bytes(''), { timeoutMs: 50 }))) === 'BUS_UNAVAILABLE'))
})
