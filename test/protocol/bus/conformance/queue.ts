import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import type { Lease } from '../../../../protocol/bus/bus.ts'
import { bytes, type Substrate, text, until, use } from './substrate.ts'

export function queueConforms(t: Test, substrate: Substrate): void {
  t.test('a queue gives items in their order, and each id once', async (t) => {
    const queue = await (await use(t, substrate)).queue('plain', { leaseMs: 5000, maxDeliveries: 3 })
    t.equal(await queue.take({ waitMs: 50 }), null)
    for (const id of ['a', 'b.1', 'c']) t.equal(await queue.put(id, bytes(id)), true)
    t.equal(await queue.put('b.1', bytes('again')), false, 'a waiting id')
    t.equal(await queue.size(), 3)
    const leases: Lease[] = []
    for (const id of ['a', 'b.1', 'c']) {
      const lease = (await queue.take({ waitMs: 2000 })) as Lease
      t.same([lease.id, text(lease.data), lease.epoch], [id, id, 1])
      leases.push(lease)
    }
    t.equal(await queue.put('a', bytes('again')), false, 'a leased id')
    t.equal(await leases[0].acknowledge(), true)
    t.equal(await leases[0].acknowledge(), false, 'once')
    t.equal(await leases[0].extend(), false, 'what is done is nobody’s')
    t.equal(await queue.put('a', bytes('again')), false, 'an id that is done')
    t.ok(await until(async () => (await queue.size()) === 2))
    t.equal(await leases[1].acknowledge(), true)
    t.equal(await leases[2].acknowledge(), true)
    t.equal(await queue.take({ waitMs: 50 }), null)
    t.same(await queue.deadLetters(), [])
  })

  t.test('of many takers each gets other items', async (t) => {
    const buses = await Promise.all(Array.from({ length: 3 }, () => use(t, substrate)))
    const queues = await Promise.all(buses.map((bus) => bus.queue('shared', { leaseMs: 10_000, maxDeliveries: 3 })))
    const ids = Array.from({ length: 60 }, (_, i) => `item-${i}`)
    await Promise.all(ids.map((id, i) => queues[i % 3].put(id, bytes(id))))
    const done: string[] = []
    await Promise.all(
      queues.map(async (queue) => {
        for (let lease = await queue.take({ waitMs: 500 }); lease; lease = await queue.take({ waitMs: 500 }))
          if (await lease.acknowledge()) done.push(lease.id)
      }),
    )
    t.same(done.sort(), ids.sort())
  })

  t.test('a taker that waits gets what comes', async (t) => {
    const queue = await (await use(t, substrate)).queue('waiting', { leaseMs: 5000, maxDeliveries: 3 })
    const waiting = queue.take({ waitMs: 5000 })
    await sleep(100)
    const begin = performance.now()
    await queue.put('late', bytes('x'))
    const lease = await waiting
    t.equal(lease?.id, 'late')
    t.ok(performance.now() - begin < 1000)
    t.equal(await lease?.acknowledge(), true)
  })

  t.test('a lease that runs out passes the item on, and the first holder is fenced', async (t) => {
    const [one, other] = [await use(t, substrate), await use(t, substrate)]
    const options = { leaseMs: 700, maxDeliveries: 5 }
    const queue = await one.queue('expiry', options)
    await queue.put('item', bytes('x'))
    const first = (await queue.take({ waitMs: 2000 })) as Lease
    t.equal(await (await other.queue('expiry', options)).take({ waitMs: 100 }), null, 'it is held')
    const begin = performance.now()
    const second = (await (await other.queue('expiry', options)).take({ waitMs: 5000 })) as Lease
    t.ok(performance.now() - begin < 3000)
    t.equal(second.id, 'item')
    t.ok(second.epoch > first.epoch, 'epochs grow')
    t.equal(await first.extend(), false, 'late extend')
    t.equal(await first.acknowledge(), false, 'late acknowledgement')
    await first.release()
    t.equal(await second.extend(), true)
    t.equal(await second.acknowledge(), true)
    t.equal(await first.acknowledge(), false)
    t.equal(await queue.take({ waitMs: 900 }), null, 'done once and for all')
  })

  t.test('a lease that is extended is kept; one that is released passes on at once', async (t) => {
    const queue = await (await use(t, substrate)).queue('extend', { leaseMs: 800, maxDeliveries: 5 })
    await queue.put('item', bytes('x'))
    const first = (await queue.take({ waitMs: 2000 })) as Lease
    for (let i = 0; i < 4; i++) {
      t.equal(await queue.take({ waitMs: 350 }), null, 'still held')
      t.equal(await first.extend(), true)
    }
    await first.release()
    const second = (await queue.take({ waitMs: 400 })) as Lease
    t.equal(second?.id, 'item')
    t.ok(second.epoch > first.epoch)
    t.equal(await first.acknowledge(), false, 'who released it has no say')
    t.equal(await second.acknowledge(), true)
  })

  t.test('work that is done late, but that nobody repeated, counts', async (t) => {
    const queue = await (await use(t, substrate)).queue('late', { leaseMs: 200, maxDeliveries: 5 })
    await queue.put('item', bytes('x'))
    const lease = (await queue.take({ waitMs: 2000 })) as Lease
    await sleep(500)
    t.equal(await lease.acknowledge(), true)
    t.equal(await queue.take({ waitMs: 600 }), null)
  })

  t.test('an item that nobody finishes becomes a dead letter', async (t) => {
    const queue = await (await use(t, substrate)).queue('dead', { leaseMs: 250, maxDeliveries: 2 })
    await queue.put('poison', bytes('x'))
    await queue.put('good', bytes('y'))
    const first = (await queue.take({ waitMs: 2000 })) as Lease
    const good = (await queue.take({ waitMs: 2000 })) as Lease
    t.equal(await good.acknowledge(), true)
    const second = (await queue.take({ waitMs: 3000 })) as Lease
    t.same([first.id, second.id], ['poison', 'poison'])
    t.equal(await queue.take({ waitMs: 1500 }), null, 'not a third time')
    t.same(await queue.deadLetters(), [{ id: 'poison', data: bytes('x'), deliveries: 2 }])
    t.equal(await second.acknowledge(), false, 'the dead stay dead')
    t.equal(await queue.put('poison', bytes('x')), false)
    t.ok(await until(async () => (await queue.size()) === 0))
  })
}
