import type { Test } from 'tap'
import type { Lease } from '../../../../protocol/bus/bus.ts'
import { bytes, refused, type Substrate, text, until, use } from './substrate.ts'

export function survives(t: Test, substrate: Substrate & { kill: () => Promise<void> }): void {
  const { kill } = substrate

  t.test('after a SIGKILL of the server everything goes on where it was', async (t) => {
    const bus = await use(t, substrate)
    const states: boolean[] = []
    bus.onConnection((isConnected) => states.push(isConnected))
    const values = await bus.keyValue('killed')
    const revision = await values.put('a', bytes('1'))
    await values.put('gone', bytes('1'))
    await (await bus.blobs('killed')).put('blob', bytes('blob'))
    const queue = await bus.queue('killed', { leaseMs: 4000, maxDeliveries: 5 })
    const ids = Array.from({ length: 20 }, (_, i) => `item-${i}`)
    for (const id of ids) await queue.put(id, bytes(id))
    const done = new Set<string>()
    for (let i = 0; i < 5; i++) {
      const lease = (await queue.take({ waitMs: 2000 })) as Lease
      t.equal(await lease.acknowledge(), true)
      done.add(lease.id)
    }
    const held = (await queue.take({ waitMs: 2000 })) as Lease
    const seen: string[] = []
    await values.watch('>', (key, entry) => seen.push(`${key}=${text(entry?.value)}`))
    let heard = 0
    await bus.subscribe('killed.*', ({ respond }) => {
      heard++
      respond(bytes('here'))
    })

    await kill()
    t.ok(await until(() => !bus.isConnected), 'the loss is noticed')
    bus.publish('killed.lost', bytes(''))
    t.equal(await refused(bus.request('killed.a', bytes(''), { timeoutMs: 200 })), 'BUS_UNAVAILABLE')
    await substrate.restart()
    t.ok(await until(() => bus.isConnected), 'and so is the return')
    t.same(states, [false, true])

    t.equal(text(await bus.request('killed.a', bytes(''), { timeoutMs: 3000 })), 'here', 'subscriptions live')
    t.ok(heard >= 1)
    t.same(await values.get('a'), { value: bytes('1'), revision })
    const next = await values.update('a', bytes('2'), revision)
    t.ok(next !== null && next > revision, 'revisions go on')
    await values.delete('gone')
    t.ok(await until(() => seen.length === 4))
    t.same([...seen].sort(), ['a=1', 'a=2', 'gone=1', 'gone=undefined'], 'watches live, and repeat nothing')
    t.equal(text(await (await bus.blobs('killed')).get('blob')), 'blob')

    t.equal(await held.extend(), true, 'a lease outlives the server')
    t.equal(await held.acknowledge(), true)
    done.add(held.id)
    for (const id of ids) t.equal(await queue.put(id, bytes('again')), false)
    for (let lease = await queue.take({ waitMs: 5000 }); lease; lease = done.size < 20 ? await queue.take({ waitMs: 5000 }) : null) {
      t.notOk(done.has(lease.id), 'nothing twice')
      if (await lease.acknowledge()) done.add(lease.id)
    }
    t.same([...done].sort(), [...ids].sort(), 'nothing lost')
    t.equal(await queue.take({ waitMs: 300 }), null)
    t.same(await queue.deadLetters(), [])
  })

  t.test('a call during an outage waits for its end', async (t) => {
    const bus = await use(t, substrate)
    const values = await bus.keyValue('outage')
    await values.put('a', bytes('1'))
    await kill()
    t.ok(await until(() => !bus.isConnected))
    const reading = values.get('a')
    await substrate.restart()
    t.equal(text((await reading)?.value), '1')
  })
}
