import { type Item, type LeaseEvent, leaseStep, newItem } from '../../coordinator/broker/leases.ts'
import { Chance } from './chance.ts'
import { fairWeather, Network } from './network.ts'
import { Process, Violation, World } from './world.ts'

/** Ways to build the queue wrong. */
export const queueFlaws = {
  lateWordCounts: 'the word of a holder counts though the item went to another one',
  takesHeldItems: 'an item is given out again while its lease runs',
  neverExpires: 'a lease runs for ever',
} as const

export type QueueFlaw = keyof typeof queueFlaws | 'none'

const leaseMs = 800
const maxDeliveries = 6
const retryMs = 150
const workMs = 500
const patienceMs = 60_000

interface Holder {
  process: Process
  /** Makes each attempt of one process its own: an answer that comes late is not taken for another's. */
  attempt: number
}

/** A work queue whose items are held by processes that die, pause and are cut off. @returns what did not hold, or null. */
export function simulateQueue(seed: number, flaw: QueueFlaw = 'none'): { invariant: string; message: string } | null {
  const chance = new Chance(seed, 3)
  const world = new World(chance, 'none', false)
  const network = new Network(world, { lossShare: 0.2 * chance.real(), doubleShare: 0, lateShare: 0.2 * chance.real(), lateMs: 1500 })
  const items = Array.from({ length: chance.integer(1, 6) }, (): Item => newItem)
  /** Who was told that it is the one that has done the item. */
  const told = new Map<number, string>()
  const heldUntil = new Map<number, { epoch: number; at: number }>()

  const step = (index: number, event: LeaseEvent) => {
    const before = items[index]
    const isLate = flaw === 'lateWordCounts' && event.type === 'acknowledge' && before.status === 'leased'
    const { item, answer } = leaseStep(before, isLate ? { ...event, epoch: before.epoch } : event, world.now)
    items[index] = item
    return answer
  }

  const take = (): { index: number; epoch: number } | null => {
    for (let index = 0; index < items.length; index++) {
      if (flaw === 'takesHeldItems' && items[index].status === 'leased') items[index] = { ...items[index], status: 'ready' }
      if (flaw !== 'neverExpires') step(index, { type: 'expire' })
      const held = heldUntil.get(index)
      if (step(index, { type: 'take', leaseMs, maxDeliveries }) !== 'yes') continue
      const { epoch } = items[index]
      if (held && world.now < held.at)
        world.violate('held items stay', `item ${index} goes to epoch ${epoch} while epoch ${held.epoch} holds it`)
      heldUntil.set(index, { epoch, at: world.now + leaseMs })
      return { index, epoch }
    }
    return null
  }

  const work = (holder: Holder) => {
    const { process } = holder
    holder.attempt += 1
    const { attempt } = holder
    const isPresent = () => attempt === holder.attempt
    network.call(process, take, (taken) => isPresent() && (taken ? hold(holder, taken) : process.after(retryMs, () => work(holder))))
    process.after(4 * retryMs, () => isPresent() && work(holder))
  }

  const hold = (holder: Holder, { index, epoch }: { index: number; epoch: number }) => {
    const { process } = holder
    holder.attempt += 1
    const { attempt } = holder
    const name = `${process.name}.${process.life}`
    const beat = () => {
      if (attempt !== holder.attempt) return
      network.call(
        process,
        () => {
          const isHeld = step(index, { type: 'extend', epoch, leaseMs }) === 'yes'
          if (isHeld) heldUntil.set(index, { epoch, at: world.now + leaseMs })
          return isHeld
        },
        (isHeld) => !isHeld && attempt === holder.attempt && work(holder),
      )
      process.after(leaseMs / 4, beat)
    }
    const acknowledge = () => {
      if (attempt !== holder.attempt) return
      network.call(
        process,
        () => {
          const answer = step(index, { type: 'acknowledge', epoch })
          if (answer === 'yes') heldUntil.delete(index)
          return answer
        },
        (answer) => {
          if (answer !== 'no') {
            const other = told.get(index)
            if (other !== undefined && other !== `${name} ${epoch}`)
              world.violate('done once', `${other} and ${name} ${epoch} both did item ${index}`)
            told.set(index, `${name} ${epoch}`)
            if (items[index].epoch !== epoch) world.violate('the last holder counts', `item ${index} is done by epoch ${epoch}`)
          }
          if (attempt === holder.attempt) work(holder)
        },
      )
      process.after(retryMs, acknowledge)
    }
    process.after(leaseMs / 4, beat)
    process.after(workMs * (0.5 + chance.real()), () => {
      if (attempt !== holder.attempt) return
      if (!chance.happens(0.1)) return acknowledge()
      // Gives the item back, and does not wait for the answer.
      network.call(
        process,
        () => step(index, { type: 'release', epoch }) === 'yes' && heldUntil.delete(index),
        () => {},
      )
      work(holder)
    })
  }

  const holders = Array.from({ length: chance.integer(1, 4) }, (_, i): Holder => ({ process: new Process(world, `W${i + 1}`), attempt: 0 }))
  const start = (holder: Holder) => {
    if (holder.process.isAlive) return
    holder.process.start()
    work(holder)
  }
  for (const holder of holders) start(holder)
  for (let i = chance.below(8); i > 0; i--) {
    const holder = chance.pick(holders)
    const forMs = chance.between(50, 4000)
    const kind = chance.pick(['kill', 'pause', 'cut'] as const)
    world.after(chance.between(0, 5000), () => {
      if (kind === 'kill') holder.process.end()
      if (kind === 'pause') holder.process.pause()
      if (kind === 'cut') network.cut(holder.process)
    })
    world.after(5000 + forMs, () => {
      network.mend(holder.process)
      holder.process.proceed()
      start(holder)
    })
  }
  world.after(9000, () => {
    network.weather = fairWeather
  })
  try {
    while (items.some(({ status }) => status === 'ready' || status === 'leased'))
      if (world.now > patienceMs || !world.step()) world.violate('nothing lost', `items are ${items.map(({ status }) => status)}`)
    for (const [index, { status, deliveries }] of items.entries())
      if (status === 'dead' && deliveries < maxDeliveries)
        world.violate('nothing lost', `item ${index} is dead after ${deliveries} deliveries`)
    return null
  } catch (error) {
    if (!(error instanceof Violation)) throw error
    return { invariant: error.invariant, message: error.message }
  }
}
