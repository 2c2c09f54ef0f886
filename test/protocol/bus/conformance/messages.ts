import type { Test } from 'tap'
import { busPayloadBytes } from '../../../../protocol/bus/bus.ts'
import { bytes, refused, type Substrate, text, until, use } from './substrate.ts'

export function messagesConform(t: Test, substrate: Substrate): void {
  t.test('messages of one publisher arrive in their order', async (t) => {
    const [sender, receiver] = [await use(t, substrate), await use(t, substrate)]
    const got: number[] = []
    await receiver.subscribe('order.a', ({ data }) => got.push(new DataView(data.buffer, data.byteOffset).getUint32(0)))
    for (let i = 0; i < 2000; i++) {
      const data = new Uint8Array(4)
      new DataView(data.buffer).setUint32(0, i)
      sender.publish('order.a', data)
    }
    t.ok(await until(() => got.length === 2000))
    t.same(
      got,
      Array.from({ length: 2000 }, (_, i) => i),
    )
  })

  t.test('patterns', async (t) => {
    const bus = await use(t, substrate)
    const got: Record<string, string[]> = {}
    for (const pattern of ['match.a.b', 'match.*.b', 'match.>', 'match.*', 'match.a.*.c']) {
      got[pattern] = []
      await bus.subscribe(pattern, ({ subject }) => got[pattern].push(subject))
    }
    const subjects = ['match', 'match.a', 'match.a.b', 'match.x.b', 'match.a.b.c', 'match.a.B']
    for (const subject of subjects) bus.publish(subject, bytes('x'))
    let isThrough = false
    await bus.subscribe('patterns-end', () => {
      isThrough = true
    })
    bus.publish('patterns-end', bytes(''))
    t.ok(await until(() => isThrough))
    t.same(got, {
      'match.a.b': ['match.a.b'],
      'match.*.b': ['match.a.b', 'match.x.b'],
      'match.>': ['match.a', 'match.a.b', 'match.x.b', 'match.a.b.c', 'match.a.B'],
      'match.*': ['match.a'],
      'match.a.*.c': ['match.a.b.c'],
    })
    for (const bad of ['', 'a..b', 'a b', '.a', 'a.', 'a.>.b', 'a.*'])
      t.equal(await refused((async () => bus.publish(bad, bytes('')))()), 'INTERNAL', `not a subject: ${bad}`)
  })

  t.test('an unsubscribed listener hears nothing more', async (t) => {
    const bus = await use(t, substrate)
    let heard = 0
    let other = 0
    const subscription = await bus.subscribe('unsubscribe.a', () => heard++)
    await bus.subscribe('unsubscribe.a', () => other++)
    bus.publish('unsubscribe.a', bytes('1'))
    t.ok(await until(() => heard === 1 && other === 1))
    subscription.unsubscribe()
    bus.publish('unsubscribe.a', bytes('2'))
    t.ok(await until(() => other === 2))
    t.equal(heard, 1)
  })

  t.test('requests', async (t) => {
    const [asker, server] = [await use(t, substrate), await use(t, substrate)]
    await server.subscribe('ask.*', ({ subject, data, respond }) => {
      if (subject !== 'ask.silence') respond(bytes(`${text(data)} on ${subject}`))
    })
    await server.subscribe('ask.twice', ({ respond }) => respond(bytes('second')))
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, i) => asker.request(`ask.n${i}`, bytes(`q${i}`), { timeoutMs: 3000 }).then(text)),
    )
    t.same(
      answers,
      Array.from({ length: 50 }, (_, i) => `q${i} on ask.n${i}`),
    )
    t.equal(typeof text(await asker.request('ask.twice', bytes('q'), { timeoutMs: 3000 })), 'string', 'the first of two answers')
    let begin = performance.now()
    t.equal(await refused(asker.request('nobody.there', bytes(''), { timeoutMs: 3000 })), 'BUS_UNAVAILABLE')
    t.ok(performance.now() - begin < 1500, 'that nobody listens is told at once')
    begin = performance.now()
    t.equal(await refused(asker.request('ask.silence', bytes(''), { timeoutMs: 300 })), 'BUS_UNAVAILABLE')
    const waited = performance.now() - begin
    t.ok(waited > 250 && waited < 2000, 'silence ends in its time')
  })

  t.test('what is too large is refused, what is just not passes', async (t) => {
    const bus = await use(t, substrate)
    const largest = new Uint8Array(busPayloadBytes).fill(7)
    const tooLarge = new Uint8Array(busPayloadBytes + 1)
    let got = 0
    await bus.subscribe('size.a', ({ data, respond }) => {
      got = data.byteLength
      respond(data)
    })
    t.equal((await bus.request('size.a', largest, { timeoutMs: 5000 })).byteLength, busPayloadBytes)
    t.equal(got, busPayloadBytes)
    t.equal(await refused((async () => bus.publish('size.a', tooLarge))()), 'BUS_PAYLOAD')
    t.equal(await refused(bus.request('size.a', tooLarge, { timeoutMs: 1000 })), 'BUS_PAYLOAD')
    const values = await bus.keyValue('size')
    const revision = await values.put('a', largest)
    t.equal((await values.get('a'))?.value.byteLength, busPayloadBytes)
    for (const put of [values.put('a', tooLarge), values.create('b', tooLarge), values.update('a', tooLarge, revision)])
      t.equal(await refused(put), 'BUS_PAYLOAD')
    const queue = await bus.queue('size', { leaseMs: 5000, maxDeliveries: 2 })
    t.ok(await queue.put('largest', largest))
    t.equal(await refused(queue.put('a', tooLarge)), 'BUS_PAYLOAD')
    const lease = await queue.take({ waitMs: 2000 })
    t.equal(lease?.data.byteLength, busPayloadBytes)
    t.equal(await lease?.acknowledge(), true)
  })

  t.test('a closed bus is closed', async (t) => {
    const bus = await use(t, substrate)
    const states: boolean[] = []
    bus.onConnection((isConnected) => states.push(isConnected))
    t.equal(bus.isConnected, true)
    const values = await bus.keyValue('closed')
    await bus.close()
    await bus.close()
    t.equal(bus.isConnected, false)
    t.same(states, [false])
    t.equal(await refused(values.get('a')), 'BUS_UNAVAILABLE')
    t.equal(await refused(bus.request('a', bytes(''), { timeoutMs: 500 })), 'BUS_UNAVAILABLE')
    bus.publish('a', bytes(''))
  })
}
