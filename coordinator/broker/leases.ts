/*
 * The life of one item of a queue, as a pure function of state, event and time. It is ready, leased to a holder, done, or dead:
 *
 *   ready --take--> leased --acknowledge--> done
 *     ^               |
 *     +-- release, or a take after the lease has run out
 *                     +-- the same, after the last delivery --> dead
 *
 * The epoch tells holders apart. A lease that has run out stays its holder's until somebody else takes the item: work that was done late,
 * but that nobody repeated, counts.
 */

export interface Item {
  readonly status: 'ready' | 'leased' | 'done' | 'dead'
  /** Of the last holder; grows with each delivery. */
  readonly epoch: number
  readonly deliveries: number
  readonly maxDeliveries: number
  readonly leaseMs: number
  /** When the lease runs out, where it is leased. */
  readonly expiresAt: number
}

export type LeaseEvent =
  | { type: 'take'; leaseMs: number; maxDeliveries: number }
  /** Time has passed. */
  | { type: 'expire' }
  | { type: 'extend'; epoch: number; leaseMs: number }
  | { type: 'acknowledge'; epoch: number }
  | { type: 'release'; epoch: number }

export interface LeaseStep {
  item: Item
  /** Whether the event was carried out; `before` where this holder has acknowledged the item already. */
  answer: 'yes' | 'no' | 'before'
}

export const newItem: Item = { status: 'ready', epoch: 0, deliveries: 0, maxDeliveries: 1, leaseMs: 0, expiresAt: 0 }

export function leaseStep(item: Item, event: LeaseEvent, now: number): LeaseStep {
  const no: LeaseStep = { item, answer: 'no' }
  switch (event.type) {
    case 'expire':
      return item.status === 'leased' && now >= item.expiresAt ? { item: givenBack(item), answer: 'yes' } : no
    case 'take': {
      if (item.status !== 'ready') return no
      const { leaseMs, maxDeliveries } = event
      const held = { epoch: item.epoch + 1, deliveries: item.deliveries + 1, maxDeliveries, leaseMs, expiresAt: now + leaseMs }
      return { item: { status: 'leased', ...held }, answer: 'yes' }
    }
    case 'extend':
      if (!isHolder(item, event.epoch)) return no
      return { item: { ...item, status: 'leased', leaseMs: event.leaseMs, expiresAt: now + event.leaseMs }, answer: 'yes' }
    case 'acknowledge':
      if (item.status === 'done') return item.epoch === event.epoch ? { item, answer: 'before' } : no
      return isHolder(item, event.epoch) ? { item: { ...item, status: 'done' }, answer: 'yes' } : no
    case 'release':
      if (!isHolder(item, event.epoch)) return no
      // The epoch moves on, so that who gave the item back is no longer its holder.
      return { item: { ...givenBack(item), epoch: item.epoch + 1 }, answer: 'yes' }
  }
}

const isHolder = (item: Item, epoch: number) => (item.status === 'leased' || item.status === 'ready') && epoch > 0 && item.epoch === epoch

const givenBack = (item: Item): Item => ({ ...item, status: item.deliveries >= item.maxDeliveries ? 'dead' : 'ready' })
