import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import type { Bus, Entry, Lease } from '../../../protocol/bus/bus.ts'
import { busPayloadBytes } from '../../../protocol/bus/bus.ts'
import { LetheError } from '../../../protocol/errors.ts'

/** What a test of a bus needs of its surroundings. */
export interface Substrate {
  /** A client of its own. */
  open(): Promise<Bus>
  /** SIGKILL of the server; null where the server is the process itself. */
  kill: (() => Promise<void>) | null
  /** On the same store and address. */
  restart(): Promise<void>
}

export const bytes = (text: string) => new TextEncoder().encode(text)
export const text = (data: Uint8Array | null | undefined) => (data ? new TextDecoder().decode(data) : data)

/** Waits for a condition, 10 s at most. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<boolean> {
  for (const begin = performance.now(); performance.now() - begin < 10_000; await sleep(10)) if (await condition()) return true
  return false
}

export const refused = async (promise: Promise<unknown>) => {
  try {
    await promise
    return 'nothing'
  } catch (error) {
    return error instanceof LetheError ? error.code : String(error)
  }
}

/** Every promise of `Bus` that both substrates make. */
export function conformance(t: Test, substrate: Substrate): void {
  const use = async (t: Test): Promise<Bus> => {
    const bus = await substrate.open()
    t.teardown(() => bus.close())
    return bus
  }

  t.test('messages of one publisher arrive in their order', async (t) => {
    const [sender, receiver] = [await use(t), await use(t)]
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
    const bus = await use(t)
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
    const bus = await use(t)
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
    const [asker, server] = [await use(t), await use(t)]
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
    const bus = await use(t)
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

  t.test('key-value: put, get, create, update, delete, keys', async (t) => {
    const values = await (await use(t)).keyValue('values')
    t.equal(await values.get('a.b'), null)
    t.same(await values.keys(), [])
    const first = await values.create('a.b', bytes('1'))
    t.ok(first !== null)
    t.equal(await values.create('a.b', bytes('2')), null, 'it exists')
    t.same(await values.get('a.b'), { value: bytes('1'), revision: first })
    const second = await values.update('a.b', bytes('2'), first as number)
    t.ok(second !== null && second > (first as number), 'revisions grow')
    t.equal(await values.update('a.b', bytes('3'), first as number), null, 'it is no longer there')
    t.equal(await values.update('c', bytes('3'), second as number), null, 'it never was')
    t.ok((await values.put('c', bytes(''))) > (second as number), 'revisions are of the bucket')
    t.equal((await values.get('c'))?.value.byteLength, 0, 'empty values exist')
    t.same(await values.keys(), ['a.b', 'c'])
    await values.delete('a.b')
    t.equal(await values.get('a.b'), null)
    t.same(await values.keys(), ['c'])
    t.equal(await values.update('a.b', bytes('4'), second as number), null, 'a deleted key is not at its last revision')
    t.ok((await values.create('a.b', bytes('5'))) !== null, 'a deleted key can be created')
    t.equal(text((await values.get('a.b'))?.value), '5')
    await values.delete('never-was')
  })

  t.test('of many writers at one revision exactly one wins', async (t) => {
    const buses = await Promise.all(Array.from({ length: 4 }, () => use(t)))
    const values = await Promise.all(buses.map((bus) => bus.keyValue('race')))
    const race = (write: (i: number) => Promise<number | null>) => Promise.all(Array.from({ length: 16 }, (_, i) => write(i)))
    const winners = (results: (number | null)[]) => results.flatMap((revision, i) => (revision === null ? [] : [{ revision, i }]))
    const created = winners(await race((i) => values[i % 4].create('key', bytes(`${i}`))))
    t.equal(created.length, 1)
    let { revision, i } = created[0]
    for (let round = 0; round < 5; round++) {
      const entry = (await values[round % 4].get('key')) as Entry
      t.same([text(entry.value), entry.revision], [`${i}`, revision])
      const updated = winners(await race((one) => values[one % 4].update('key', bytes(`${one}`), revision)))
      t.equal(updated.length, 1)
      ;[{ revision, i }] = updated
    }
  })

  t.test('many clients make and read what does not exist yet', async (t) => {
    const buses = await Promise.all(Array.from({ length: 6 }, () => use(t)))
    for (let round = 0; round < 5; round++) {
      const created = await Promise.all(
        buses.map(async (bus, i) => {
          const values = await bus.keyValue(`new-${round}`)
          if (i % 3 === 0) await values.watch('>', () => {})
          await values.get('leader')
          const revision = await values.create('leader', bytes(`${i}`))
          await values.keys()
          const queue = await bus.queue(`new-${round}`, { leaseMs: 1000, maxDeliveries: 1 })
          await queue.put(`${i}`, bytes(''))
          return revision !== null && (await queue.take({ waitMs: 2000 })) !== null
        }),
      )
      t.equal(created.filter(Boolean).length, 1)
    }
  })

  t.test('who writes reads what it wrote, at once', async (t) => {
    const values = await (await use(t)).keyValue('own-writes')
    for (let i = 0; i < 50; i++) {
      const revision = await values.put('key', bytes(`${i}`))
      const entry = await values.get('key')
      if (text(entry?.value) !== `${i}` || entry?.revision !== revision) return t.fail(`read ${text(entry?.value)} after ${i}`)
    }
    t.pass()
  })

  t.test('a watch shows what exists, then every change', async (t) => {
    const [writer, reader] = [await use(t), await use(t)]
    const values = await writer.keyValue('watched')
    await values.put('leader.a', bytes('1'))
    await values.put('leader.b', bytes('2'))
    await values.put('other.c', bytes('3'))
    await values.put('leader.gone', bytes('4'))
    await values.delete('leader.gone')
    const seen: string[] = []
    const show = (key: string, entry: Entry | null) => seen.push(`${key}=${entry ? text(entry.value) : 'null'}`)
    const watch = await (await reader.keyValue('watched')).watch('leader.>', show)
    t.same(seen.sort(), ['leader.a=1', 'leader.b=2'], 'all that exists is shown before the watch is given')
    seen.length = 0
    await values.put('leader.a', bytes('5'))
    await values.put('other.c', bytes('6'))
    await values.delete('leader.b')
    await values.create('leader.d', bytes('7'))
    t.ok(await until(() => seen.length === 3))
    t.same(seen, ['leader.a=5', 'leader.b=null', 'leader.d=7'])
    watch.unsubscribe()
    await values.put('leader.a', bytes('8'))
    let isThrough = false
    await (await reader.keyValue('watched')).watch('leader.a', (_key, entry) => {
      isThrough ||= text(entry?.value) === '8'
    })
    t.ok(await until(() => isThrough))
    t.equal(seen.length, 3, 'nothing after unsubscribe')
  })

  t.test('a watch of a bucket that does not exist waits for it', async (t) => {
    const bus = await use(t)
    const values = await bus.keyValue('not-yet')
    const seen: string[] = []
    await values.watch('>', (key, entry) => seen.push(`${key}=${text(entry?.value)}`))
    await values.put('a', bytes('1'))
    t.ok(await until(() => seen.length === 1))
    t.same(seen, ['a=1'])
  })

  t.test('a queue gives items in their order, and each id once', async (t) => {
    const queue = await (await use(t)).queue('plain', { leaseMs: 5000, maxDeliveries: 3 })
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
    const buses = await Promise.all(Array.from({ length: 3 }, () => use(t)))
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
    const queue = await (await use(t)).queue('waiting', { leaseMs: 5000, maxDeliveries: 3 })
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
    const [one, other] = [await use(t), await use(t)]
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
    const queue = await (await use(t)).queue('extend', { leaseMs: 800, maxDeliveries: 5 })
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
    const queue = await (await use(t)).queue('late', { leaseMs: 200, maxDeliveries: 5 })
    await queue.put('item', bytes('x'))
    const lease = (await queue.take({ waitMs: 2000 })) as Lease
    await sleep(500)
    t.equal(await lease.acknowledge(), true)
    t.equal(await queue.take({ waitMs: 600 }), null)
  })

  t.test('an item that nobody finishes becomes a dead letter', async (t) => {
    const queue = await (await use(t)).queue('dead', { leaseMs: 250, maxDeliveries: 2 })
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

  t.test('blobs', async (t) => {
    const [one, other] = [await use(t), await use(t)]
    const [blobs, same] = [await one.blobs('blobs'), await other.blobs('blobs')]
    t.equal(await blobs.get('none'), null)
    await blobs.delete('none')
    for (const size of [0, 1024 * 1024, 10 * 1024 * 1024]) {
      const blob = new Uint8Array(size)
      for (let i = 0; i < size; i += 997) blob[i] = i % 251
      await blobs.put(`size-${size}`, blob)
      const read = await same.get(`size-${size}`)
      t.ok(read && Buffer.compare(read, blob) === 0, `${size} bytes come back`)
    }
    await same.put('size-0', bytes('replaced'))
    t.equal(text(await blobs.get('size-0')), 'replaced')
    await blobs.delete('size-0')
    t.equal(await same.get('size-0'), null)
    t.equal(await refused(blobs.put('huge', new Uint8Array(64 * 1024 * 1024 + 1))), 'BUS_PAYLOAD')
  })

  t.test('a closed bus is closed', async (t) => {
    const bus = await use(t)
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

  if (!substrate.kill) return
  const kill = substrate.kill

  t.test('after a SIGKILL of the server everything goes on where it was', async (t) => {
    const bus = await use(t)
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
    const bus = await use(t)
    const values = await bus.keyValue('outage')
    await values.put('a', bytes('1'))
    await kill()
    t.ok(await until(() => !bus.isConnected))
    const reading = values.get('a')
    await substrate.restart()
    t.equal(text((await reading)?.value), '1')
  })
}
