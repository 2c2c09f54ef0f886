import type { Test } from 'tap'
import type { Entry } from '../../../../protocol/bus/bus.ts'
import { bytes, type Substrate, text, until, use } from './substrate.ts'

export function keyValueConforms(t: Test, substrate: Substrate): void {
  t.test('key-value: put, get, create, update, delete, keys', async (t) => {
    const values = await (await use(t, substrate)).keyValue('values')
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
    const buses = await Promise.all(Array.from({ length: 4 }, () => use(t, substrate)))
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
    const buses = await Promise.all(Array.from({ length: 6 }, () => use(t, substrate)))
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
    const values = await (await use(t, substrate)).keyValue('own-writes')
    for (let i = 0; i < 50; i++) {
      const revision = await values.put('key', bytes(`${i}`))
      const entry = await values.get('key')
      if (text(entry?.value) !== `${i}` || entry?.revision !== revision) return t.fail(`read ${text(entry?.value)} after ${i}`)
    }
    t.pass()
  })

  t.test('a watch shows what exists, then every change', async (t) => {
    const [writer, reader] = [await use(t, substrate), await use(t, substrate)]
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
    const bus = await use(t, substrate)
    const values = await bus.keyValue('not-yet')
    const seen: string[] = []
    await values.watch('>', (key, entry) => seen.push(`${key}=${text(entry?.value)}`))
    await values.put('a', bytes('1'))
    t.ok(await until(() => seen.length === 1))
    t.same(seen, ['a=1'])
  })
}
