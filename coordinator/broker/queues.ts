import { Queue, type QueuedItem, type Taken } from './queue.ts'
import { itemRecord, read, write } from './records.ts'
import type { Session } from './session.ts'
import type { Store } from './store.ts'

interface Taker {
  leaseMs: number
  maxDeliveries: number
  answer(taken: Taken | null): void
}

interface Served {
  queue: Queue
  /** Who waits for an item, longest first. */
  takers: Set<Taker>
  /** Runs when the next lease does. */
  expiry: NodeJS.Timeout | undefined
}

const now = () => performance.now()

/** The queues with what their pure core has not: a clock, a disk, and takers that wait. */
export class Queues {
  readonly #store: Store
  readonly #queues = new Map<string, Served>()
  readonly #kept = new Map<string, QueuedItem[]>()

  constructor(store: Store) {
    this.#store = store
    for (const { key, value } of store.entries('items')) {
      const { order, data, ...item } = read(itemRecord, value, key)
      const name = String(key[0])
      // Nobody knows how long the server was away: its leases start again.
      const queued = { id: String(key[1]), order, data, item: { ...item, expiresAt: now() + item.leaseMs } }
      this.#kept.set(name, [...(this.#kept.get(name) ?? []), queued])
    }
  }

  put(name: string, id: string, data: Uint8Array): boolean {
    const served = this.#queue(name)
    const isNew = served.queue.put(id, data)
    this.#serve(served)
    return isNew
  }

  /** Answers with null after `waitMs` without an item. */
  take(session: Session, name: string, waitMs: number, options: { leaseMs: number; maxDeliveries: number }, answer: Taker['answer']): void {
    const served = this.#queue(name)
    const end = (taken: Taken | null) => {
      clearTimeout(patience)
      forget()
      served.takers.delete(taker)
      answer(taken)
    }
    const taker = { ...options, answer: end }
    const patience = setTimeout(() => end(null), waitMs)
    const forget = session.onClose(() => {
      clearTimeout(patience)
      served.takers.delete(taker)
    })
    served.takers.add(taker)
    this.#serve(served)
  }

  extend(name: string, id: string, epoch: number, leaseMs: number): boolean {
    return this.#queue(name).queue.extend(id, epoch, leaseMs, now())
  }

  acknowledge(name: string, id: string, epoch: number): 'now' | 'before' | 'no' {
    return this.#queue(name).queue.acknowledge(id, epoch, now())
  }

  release(name: string, id: string, epoch: number): void {
    const served = this.#queue(name)
    served.queue.release(id, epoch, now())
    this.#serve(served)
  }

  size(name: string): number {
    const { queue } = this.#queue(name)
    queue.expire(now())
    return queue.size()
  }

  deadLetter(name: string, after: string): ReturnType<Queue['deadLetter']> {
    const { queue } = this.#queue(name)
    queue.expire(now())
    return queue.deadLetter(after)
  }

  close(): void {
    for (const { expiry } of this.#queues.values()) clearTimeout(expiry)
  }

  #queue(name: string): Served {
    let served = this.#queues.get(name)
    if (!served) {
      const kept = this.#kept.get(name)?.sort((a, b) => a.order - b.order)
      this.#kept.delete(name)
      served = { queue: new Queue((queued) => this.#keep(name, queued), kept), takers: new Set(), expiry: undefined }
      this.#queues.set(name, served)
    }
    return served
  }

  /** Gives what is ready to who waits, and comes back when a lease runs out that somebody waits for. */
  #serve(served: Served): void {
    clearTimeout(served.expiry)
    for (const taker of served.takers) {
      const taken = served.queue.take(taker.leaseMs, taker.maxDeliveries, now())
      if (!taken) break
      taker.answer(taken)
    }
    const waitMs = served.queue.nextExpiry() - now()
    if (served.takers.size > 0 && Number.isFinite(waitMs)) served.expiry = setTimeout(() => this.#serve(served), Math.max(1, waitMs))
  }

  #keep(name: string, { id, order, data, item: { expiresAt: _, ...item } }: QueuedItem): void {
    this.#store.set('items', [name, id], write({ ...item, order, data }))
  }
}
