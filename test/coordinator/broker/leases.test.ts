import fc from 'fast-check'
import t from 'tap'
import { type Item, type LeaseEvent, type LeaseStep, leaseStep, newItem } from '../../../coordinator/broker/leases.ts'

type Step = (item: Item, event: LeaseEvent, now: number) => LeaseStep

const maxDeliveries = 2

/** One thing that happens. `holder` picks one of all leases that there were, so that late ones speak too. */
const happening = fc.record({
  what: fc.constantFrom('take', 'extend', 'acknowledge', 'release', 'wait'),
  holder: fc.nat({ max: 9 }),
  waitMs: fc.nat({ max: 300 }),
})
const schedule = fc.array(happening, { maxLength: 60, size: 'max' })

/** Runs a schedule. Takers first let time end what has run out, as the queue does. @returns what went wrong. */
function story(step: Step, happenings: { what: string; holder: number; waitMs: number }[]): string | null {
  let item = newItem
  let now = 0
  const epochs: number[] = []
  let acknowledged = 0
  /** Epoch of the holder whose word counts: the last one, until it gives the item back. */
  let owner: number | null = null
  for (const { what, holder, waitMs } of happenings) {
    const epoch = epochs[holder % Math.max(1, epochs.length)] ?? 1
    const before = item
    if (what === 'wait') now += waitMs
    else if (what === 'take') {
      item = step(item, { type: 'expire' }, now).item
      const taken = step(item, { type: 'take', leaseMs: 100, maxDeliveries }, now)
      if (taken.answer === 'yes') {
        if (before.status === 'leased' && now < before.expiresAt) return 'an item was taken from a holder whose lease runs'
        if (before.status === 'done') return 'an item that is done was delivered'
        if (taken.item.epoch <= Math.max(0, ...epochs)) return 'the epoch did not grow'
        epochs.push(taken.item.epoch)
        owner = taken.item.epoch
      }
      item = taken.item
    } else {
      const event = (what === 'extend' ? { type: what, epoch, leaseMs: 100 } : { type: what, epoch }) as LeaseEvent
      const done = step(item, event, now)
      item = done.item
      if (done.answer === 'yes' && epoch !== owner) return `${what} of a holder that is late was carried out`
      if (done.answer === 'before' && acknowledged === 0) return 'nothing was acknowledged before'
      if (what === 'acknowledge' && done.answer === 'yes') acknowledged += 1
      if (what === 'release' && done.answer === 'yes') owner = null
    }
    if (acknowledged > 1) return 'acknowledged twice'
    if (acknowledged === 1 && item.status !== 'done') return 'what is done came back'
    if (acknowledged === 0 && item.status === 'done') return 'lost'
    if (item.status === 'dead' && item.deliveries < maxDeliveries) return 'died too early'
    if (item.deliveries > maxDeliveries) return 'delivered too often'
    if (item.status === 'dead') owner = null
  }
  // Whoever takes it now gets it, unless it has ended for good.
  now += 1000
  const left = step(step(item, { type: 'expire' }, now).item, { type: 'take', leaseMs: 100, maxDeliveries }, now)
  return left.answer === 'yes' || ['done', 'dead'].includes(left.item.status) ? null : 'lost: nobody can take it'
}

const findsFault = (step: Step) =>
  fc.check(
    fc.property(schedule, (happenings) => story(step, happenings) === null),
    { numRuns: 3000, seed: 7 },
  )

t.test('nothing is lost and nothing acknowledged twice, whatever the order', async (t) => {
  const { failed, counterexample } = findsFault(leaseStep)
  t.notOk(failed, `${failed ? story(leaseStep, counterexample?.[0] ?? []) : ''} ${JSON.stringify(counterexample)}`)
})

t.test('the property notices broken leases', async (t) => {
  const broken: Record<string, Step> = {
    'a holder of any epoch may acknowledge': (item, event, now) =>
      leaseStep(item, event.type === 'acknowledge' ? { ...event, epoch: item.epoch } : event, now),
    'a holder of any epoch may extend': (item, event, now) =>
      leaseStep(item, event.type === 'extend' ? { ...event, epoch: item.epoch } : event, now),
    'the epoch stays': (item, event, now) => {
      const step = leaseStep(item, event, now)
      return event.type === 'take' && step.answer === 'yes' ? { ...step, item: { ...step.item, epoch: 1 } } : step
    },
    'who released an item still has a say': (item, event, now) => {
      const step = leaseStep(item, event, now)
      return event.type === 'release' && step.answer === 'yes' ? { ...step, item: { ...step.item, epoch: item.epoch } } : step
    },
    'an item can be taken at any time': (item, event, now) =>
      event.type === 'take' && item.status === 'leased' ? leaseStep({ ...item, status: 'ready' }, event, now) : leaseStep(item, event, now),
    'what is done can be acknowledged again': (item, event, now) =>
      event.type === 'acknowledge' && item.status === 'done' ? { item, answer: 'yes' } : leaseStep(item, event, now),
    'deliveries are not counted': (item, event, now) =>
      leaseStep({ ...item, maxDeliveries: 1e9 }, event.type === 'take' ? { ...event, maxDeliveries: 1e9 } : event, now),
    'leases never run out': (item, event, now) => (event.type === 'expire' ? { item, answer: 'no' } : leaseStep(item, event, now)),
  }
  for (const [name, step] of Object.entries(broken)) t.ok(findsFault(step).failed, name)
})
