import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { Broker } from '../../../coordinator/broker/broker.ts'
import { LmdbStore } from '../../../coordinator/broker/store.ts'
import { LetheError } from '../../../protocol/errors.ts'
import { bytes, text } from '../../protocol/bus/conformance/substrate.ts'

t.test('answers come in their order, after the disk', async (t) => {
  const store = new LmdbStore(t.testdir())
  const said: string[] = []
  store.settled(() => said.push('at once'))
  store.set('entries', ['b', 'k'], bytes('1'))
  store.settled(() => said.push('first'))
  store.set('entries', ['b', 'k'], bytes('2'))
  store.settled(() => said.push('second'))
  store.settled(() => said.push('third'))
  t.same(said, ['at once'])
  await new Promise((resolve) => store.settled(resolve))
  t.same(said, ['at once', 'first', 'second', 'third'])
  t.equal(text(store.get('entries', ['b', 'k'])), '2')
  store.remove('entries', ['b', 'k'])
  await store.close()
})

t.test('values, items and blobs outlive the broker; half an upload does not', async (t) => {
  const folder = t.testdir()
  const first = new Broker({ folder })
  const bus = first.local()
  const revision = await (await bus.keyValue('values')).put('a', bytes('1'))
  await (await bus.keyValue('values')).put('b', bytes('2'))
  await (await bus.keyValue('values')).delete('b')
  const queue = await bus.queue('items', { leaseMs: 60_000, maxDeliveries: 3 })
  for (const id of ['done', 'held', 'waiting']) await queue.put(id, bytes(id))
  await (await queue.take({ waitMs: 100 }))?.acknowledge()
  const held = await queue.take({ waitMs: 100 })
  await (await bus.blobs('blobs')).put('blob', bytes('blob'))
  await first.close()

  const store = new LmdbStore(folder)
  store.set('chunks', ['blobs', 'f'.repeat(32), 0], bytes('half'))
  await new Promise((resolve) => store.settled(resolve))
  await store.close()

  const second = new Broker({ folder })
  const again = second.local()
  const values = await again.keyValue('values')
  t.same(await values.get('a'), { value: bytes('1'), revision })
  t.equal(await values.get('b'), null)
  t.ok((await values.put('c', bytes('3'))) > revision + 2, 'revisions go on')
  const items = await again.queue('items', { leaseMs: 60_000, maxDeliveries: 3 })
  t.equal(await items.size(), 2)
  t.equal(await items.put('done', bytes('again')), false)
  const next = await items.take({ waitMs: 100 })
  t.equal(next?.id, 'waiting', 'what is held stays held')
  t.equal(held?.epoch, 1)
  t.equal(text(await (await again.blobs('blobs')).get('blob')), 'blob')
  await second.close()
  const left = new LmdbStore(folder)
  t.equal(left.keys('chunks').length, 1)
  await left.close()
})

t.test('a damaged store is an error, not a crash', async (t) => {
  const folder = t.testdir()
  const store = new LmdbStore(folder)
  store.set('revisions', ['values'], bytes('no number'))
  await new Promise((resolve) => store.settled(resolve))
  await store.close()
  const codeOf = (folder: string) => {
    try {
      new Broker({ folder })
      return 'none'
    } catch (error) {
      return error instanceof LetheError ? error.code : String(error)
    }
  }
  t.equal(codeOf(folder), 'STORAGE_WRITE')
  const file = t.testdir({ empty: {} })
  writeFileSync(join(file, 'bus.mdb'), 'this is no database at all, whatever its name says'.repeat(200))
  t.equal(codeOf(file), 'STORAGE_WRITE')
})
