import fc from 'fast-check'
import t from 'tap'
import { Queue, type QueuedItem, type Taken } from '../../../coordinator/broker/queue.ts'

const data = new Uint8Array([1])

/** What a server that was killed finds: the last state of each item that was kept. */
class Disk {
  items = new Map<string, QueuedItem>()
  queue = this.open()

  open(): Queue {
    // Leases start again, as `Queues` makes them.
    const items = [...this.items.values()].sort((a, b) => a.order - b.order)
    return new Queue((queued) => this.items.set(queued.id, queued), items)
  }
}

const happening = fc.oneof(
  fc.record({ type: fc.constant('put' as const), id: fc.nat({ max: 5 }) }),
  fc.record({ type: fc.constant('take' as const) }),
  fc.record({ type: fc.constantFrom('extend' as const, 'acknowledge' as const, 'release' as const), lease: fc.nat({ max: 20 }) }),
  fc.record({ type: fc.constant('wait' as const), ms: fc.nat({ max: 200 }) }),
  fc.record({ type: fc.constant('crash' as const) }),
)

t.test('a queue loses nothing and finishes nothing twice, through crashes', async () => {
  fc.assert(
    fc.property(fc.array(happening, { maxLength: 80 }), (happenings) => {
      const disk = new Disk()
      const leases: Taken[] = []
      const put = new Set<string>()
      const done = new Set<string>()
      let now = 0
      for (const one of happenings) {
        if (one.type === 'wait') now += one.ms
        else if (one.type === 'crash') disk.queue = disk.open()
        else if (one.type === 'put') {
          const isNew = disk.queue.put(`${one.id}`, data)
          if (isNew === put.has(`${one.id}`)) throw new Error(`put(${one.id}) said ${isNew}`)
          put.add(`${one.id}`)
        } else if (one.type === 'take') {
          const taken = disk.queue.take(100, 1000, now)
          if (!taken) continue
          if (done.has(taken.id)) throw new Error(`${taken.id} is done and was delivered`)
          if (leases.some(({ id, epoch }) => id === taken.id && epoch >= taken.epoch)) throw new Error('the epoch did not grow')
          leases.push(taken)
        } else if (leases.length > 0) {
          const { id, epoch } = leases[one.lease % leases.length]
          const isLast = leases.every((other) => other.id !== id || other.epoch <= epoch)
          if (one.type === 'extend' && disk.queue.extend(id, epoch, 100, now) && !isLast) throw new Error('a late extend counted')
          if (one.type === 'release') disk.queue.release(id, epoch, now)
          if (one.type === 'acknowledge' && disk.queue.acknowledge(id, epoch, now) === 'now') {
            if (done.has(id) || !isLast) throw new Error(`${id} was finished twice, or by a late holder`)
            done.add(id)
          }
        }
        if (disk.queue.size() !== put.size - done.size) throw new Error(`${disk.queue.size()} items of ${put.size}, ${done.size} done`)
      }
      // Whoever works long enough finishes all the rest.
      for (now += 1000; disk.queue.size() > 0; now += 1000) {
        const taken = disk.queue.take(100, 1000, now)
        if (!taken || disk.queue.acknowledge(taken.id, taken.epoch, now) !== 'now') throw new Error('the rest cannot be finished')
        done.add(taken.id)
      }
      return done.size === put.size
    }),
    { numRuns: 1000 },
  )
})

t.test('items come in the order of put; one that came back comes after those that wait', async (t) => {
  const queue = new Queue(() => {})
  for (const id of ['a', 'b', 'c']) queue.put(id, data)
  const a = queue.take(100, 9, 0)
  t.equal(a?.id, 'a')
  t.equal(queue.nextExpiry(), 100)
  queue.release('a', 1, 0)
  t.same([queue.take(100, 9, 0)?.id, queue.take(100, 9, 0)?.id, queue.take(100, 9, 0)?.id, queue.take(100, 9, 0)], ['b', 'c', 'a', null])
})

t.test('dead letters come page by page', async (t) => {
  const queue = new Queue(() => {})
  for (const id of ['b', 'a']) queue.put(id, data)
  for (let i = 0; i < 2; i++) queue.take(10, 1, 0)
  queue.expire(10)
  t.equal(queue.size(), 0)
  t.equal(queue.deadLetter('')?.id, 'a')
  t.same(queue.deadLetter('a'), { id: 'b', data, deliveries: 1 })
  t.equal(queue.deadLetter('b'), null)
})
