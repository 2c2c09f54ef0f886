import { type Item, type LeaseEvent, leaseStep, newItem } from './leases.ts'

/** An item with its content. Done, it has none: only its id is remembered, so that it cannot come again. */
export interface QueuedItem {
  id: string
  /** Its place in the order of `put`. */
  order: number
  data: Uint8Array | null
  item: Item
}

export interface Taken {
  id: string
  data: Uint8Array
  epoch: number
}

/** One queue in memory: items in the order in which they become ready. Knows no clock and no disk; `onChange` hears what must be kept. */
export class Queue {
  readonly #onChange: (queued: QueuedItem) => void
  readonly #items = new Map<string, QueuedItem>()
  readonly #ready = new Set<string>()
  readonly #leased = new Set<string>()
  readonly #dead = new Set<string>()
  #order = 0

  /** @param items of an earlier life, in their order. */
  constructor(onChange: (queued: QueuedItem) => void, items: readonly QueuedItem[] = []) {
    this.#onChange = onChange
    for (const queued of items) {
      this.#order = Math.max(this.#order, queued.order)
      this.#file(queued)
    }
  }

  /** @returns false where the id was put before. */
  put(id: string, data: Uint8Array): boolean {
    if (this.#items.has(id)) return false
    this.#file({ id, order: ++this.#order, data, item: newItem }, true)
    return true
  }

  /** The next item that is ready, after leases that have run out have ended. */
  take(leaseMs: number, maxDeliveries: number, now: number): Taken | null {
    this.expire(now)
    const [id] = this.#ready
    if (id === undefined) return null
    this.#step(id, { type: 'take', leaseMs, maxDeliveries }, now)
    const { data, item } = this.#items.get(id) as QueuedItem
    return { id, data: data as Uint8Array, epoch: item.epoch }
  }

  extend(id: string, epoch: number, leaseMs: number, now: number): boolean {
    return this.#step(id, { type: 'extend', epoch, leaseMs }, now) === 'yes'
  }

  acknowledge(id: string, epoch: number, now: number): 'now' | 'before' | 'no' {
    const answer = this.#step(id, { type: 'acknowledge', epoch }, now)
    return answer === 'yes' ? 'now' : answer
  }

  release(id: string, epoch: number, now: number): void {
    this.#step(id, { type: 'release', epoch }, now)
  }

  /** Ends the leases that have run out. */
  expire(now: number): void {
    for (const id of this.#leased) this.#step(id, { type: 'expire' }, now)
  }

  /** When the next lease runs out; Infinity where none is held. */
  nextExpiry(): number {
    let next = Number.POSITIVE_INFINITY
    for (const id of this.#leased) next = Math.min(next, this.#items.get(id)?.item.expiresAt ?? next)
    return next
  }

  size(): number {
    return this.#ready.size + this.#leased.size
  }

  /** The dead letter whose id comes after `after`. */
  deadLetter(after: string): { id: string; data: Uint8Array; deliveries: number } | null {
    const [id] = [...this.#dead].filter((one) => one > after).sort()
    const queued = id === undefined ? undefined : this.#items.get(id)
    return queued ? { id, data: queued.data as Uint8Array, deliveries: queued.item.deliveries } : null
  }

  #step(id: string, event: LeaseEvent, now: number): 'yes' | 'no' | 'before' {
    const queued = this.#items.get(id)
    if (!queued) return 'no'
    const { item, answer } = leaseStep(queued.item, event, now)
    if (answer === 'yes') {
      // A lease that is extended lives in memory: after a restart every lease runs from its start.
      const isKept = event.type !== 'extend' || queued.item.status !== item.status
      this.#file({ ...queued, item, data: item.status === 'done' ? null : queued.data }, isKept)
    }
    return answer
  }

  #file(queued: QueuedItem, isChange = false): void {
    const { id, item } = queued
    for (const set of [this.#ready, this.#leased, this.#dead]) set.delete(id)
    if (item.status !== 'done') ({ ready: this.#ready, leased: this.#leased, dead: this.#dead })[item.status].add(id)
    this.#items.set(id, queued)
    if (isChange) this.#onChange(queued)
  }
}
