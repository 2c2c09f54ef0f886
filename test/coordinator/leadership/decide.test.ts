import fc from 'fast-check'
import t from 'tap'
import { decide } from '../../../coordinator/leadership/decide.ts'
import { type LeadershipEvent, type LeadershipState, leadershipSettings, leads, standby } from '../../../coordinator/leadership/state.ts'
import type { LeaderRecord } from '../../../protocol/bus/subjects.ts'
import { nobody } from '../../../protocol/bus/subjects.ts'
import { type Flaw, SimulatedLeadership, type Weather } from '../../support/simulated-leadership.ts'

const { leaseMs, suspendMs, renewMs, pollMs, stopMs } = leadershipSettings
/** After the last fault, until one leads: the lease by a slow clock, two looks, and a call that had to be given up. */
const electionMs = 1.15 * leaseMs + 2000

const kinds: Weather['faults'][number]['kind'][] = ['pause', 'pause', 'kill', 'stop', 'outage']

function weathers(faults = kinds): fc.Arbitrary<Weather> {
  const way = fc.oneof(
    { weight: 5, arbitrary: fc.integer({ min: 1, max: 40 }) },
    { weight: 1, arbitrary: fc.integer({ min: 1, max: 3000 }) },
  )
  return fc.record({
    calls: fc.array(fc.record({ lost: fc.constantFrom('no', 'no', 'no', 'no', 'there', 'back'), there: way, back: way }), {
      minLength: 1,
      maxLength: 40,
      size: 'max',
    }),
    faults: fc.array(
      fc.record({
        kind: fc.constantFrom(...faults),
        at: fc.integer({ min: 0, max: 25_000 }),
        forMs: fc.integer({ min: 500, max: 9000 }),
        process: fc.nat(6),
      }),
      { minLength: 2, maxLength: 8, size: 'max' },
    ),
    clocks: fc.array(
      fc.record({ offsetMs: fc.nat(1_000_000), rate: fc.double({ min: 0.9, max: 1.1, noNaN: true, noDefaultInfinity: true }) }),
      { minLength: 3, maxLength: 3 },
    ),
    healedAt: fc.constant(36_000),
  })
}

t.test('whatever happens, one leads at most, epochs grow, and somebody leads soon after it is over', async (t) => {
  let elections = 0
  let deposed = 0
  const holds = (weather: Weather, flaw: Flaw = 'none') => {
    const world = new SimulatedLeadership(weather, flaw)
    world.run(weather.healedAt + electionMs)
    if (flaw === 'none') {
      elections += world.epochs.length
      deposed += world.ends.deposed ?? 0
    }
    return world.problems.length === 0 && world.leaders.length === 1
  }
  fc.assert(
    fc.property(weathers(), (weather) => holds(weather)),
    { numRuns: 250 },
  )
  t.comment(`250 schedules, ${elections} elections, ${deposed} leaders deposed`)
  t.ok(elections > 300 && deposed > 5, 'the schedules did something')
  const flaws: Flaw[] = ['storeComparesNothing', 'leaderTrustsItsRole', 'impatientStandby', 'epochStays']
  for (const flaw of flaws) {
    const { failed, numRuns } = fc.check(
      fc.property(weathers(), (weather) => holds(weather, flaw)),
      { numRuns: 300, endOnFailure: true },
    )
    t.ok(failed, `${flaw} is found by schedule ${numRuns}`)
  }
})

t.test('a store that loses its last write ends with one leader too', async (t) => {
  fc.assert(
    fc.property(weathers(['loseTail', 'loseTail', 'outage', 'pause']), (weather) => {
      const world = new SimulatedLeadership(weather)
      world.run(weather.healedAt + electionMs)
      const [leader] = world.leaders
      world.run(world.now + 2 * leaseMs)
      return leader !== undefined && world.leaders.length === 1 && world.leaders[0] === leader
    }),
    { numRuns: 60 },
  )
  t.pass('60 schedules')
})

const self = { protocol: 2, runId: 'a'.repeat(64), coordinator: '1'.repeat(32), url: 'ws://here:1' }
const other: LeaderRecord = { ...self, coordinator: '2'.repeat(32), epoch: 7, state: 'running', renewals: 3 }

/** One process with a store that answers at once, step by step. */
function single(entry: { record: LeaderRecord; revision: number } | null, startsOver = false) {
  const store = { entry, isReachable: true }
  const said: string[] = []
  let state: LeadershipState = standby(self, 0, leadershipSettings, startsOver)
  let now = 0
  const feed = (event: LeadershipEvent) => {
    const decision = decide(state, event, now)
    state = decision.state
    for (const command of decision.commands) {
      if (command.type !== 'read' && command.type !== 'write') said.push(command.type)
      else if (!store.isReachable) feed({ type: 'failed', ticket: command.ticket })
      else if (command.type === 'read') feed({ type: 'read', ticket: command.ticket, entry: store.entry })
      else if ((store.entry?.revision ?? null) !== command.revision) feed({ type: 'refused', ticket: command.ticket })
      else {
        store.entry = { record: command.record, revision: (store.entry?.revision ?? 0) + 1 }
        feed({ type: 'written', ticket: command.ticket, revision: store.entry.revision })
      }
    }
  }
  const pass = (ms: number) => {
    for (const end = now + ms; now < end; ) {
      now += 50
      feed({ type: 'tick' })
    }
  }
  return {
    store,
    said,
    pass,
    feed,
    sleep: (ms: number) => {
      now += ms
    },
    get state() {
      return state
    },
    get leads() {
      return leads(state, now)
    },
  }
}

t.test('a standby waits for the lease, and claims with the next epoch', async (t) => {
  const process = single({ record: other, revision: 10 })
  process.pass(leaseMs - pollMs)
  t.strictSame(process.said, [])
  process.pass(3 * pollMs)
  t.strictSame(process.said, ['elected'])
  t.match(process.store.entry?.record, { epoch: 8, coordinator: self.coordinator, url: self.url, state: 'running' })
  const { revision } = process.store.entry as { revision: number }
  process.pass(3 * renewMs)
  t.equal(process.store.entry?.revision, revision + 3, 'renewed each renewMs')
  t.ok(process.leads)
})

t.test('without a record, or after a clean stop, nobody waits', async (t) => {
  const first = single(null)
  first.pass(50)
  t.ok(first.leads)
  t.equal(first.state.epoch, 1)
  first.feed({ type: 'stop', finished: false })
  t.strictSame(first.said, ['elected', 'stopped'])
  t.match(first.store.entry?.record, { epoch: 1, coordinator: nobody, state: 'running' })
  const second = single(first.store.entry)
  second.pass(50)
  t.ok(second.leads)
  t.equal(second.state.epoch, 2)
})

t.test('the end of the run ends standbys', async (t) => {
  const leader = single(null)
  leader.pass(50)
  leader.feed({ type: 'stop', finished: true })
  t.match(leader.store.entry?.record, { state: 'finished', coordinator: self.coordinator })
  const process = single(leader.store.entry)
  process.pass(50)
  t.strictSame(process.said, ['finished'])
  process.pass(2 * leaseMs)
  t.notOk(process.leads)

  const again = single({ record: { ...other, epoch: 1, state: 'finished' }, revision: 10 }, true)
  again.pass(50)
  t.ok(again.leads, 'unless it is to start over')
  t.equal(again.state.epoch, 2)

  const late = single({ record: other, revision: 10 }, true)
  late.pass(50)
  late.store.entry = { record: { ...other, state: 'finished' }, revision: 11 }
  late.pass(2 * pollMs)
  t.strictSame(late.said, ['finished'], 'what ends while it stands by is not started over')
})

t.test('a leader that wakes up proves its lease before it commands', async (t) => {
  const process = single(null)
  process.pass(50)
  process.sleep(60_000)
  t.notOk(process.leads, 'at once, before any event')
  process.feed({ type: 'tick' })
  t.strictSame(process.said, ['elected', 'suspended', 'resumed'])
  t.ok(process.leads, 'nobody had taken it')

  process.sleep(60_000)
  process.store.entry = { record: { ...other, epoch: 2 }, revision: 99 }
  process.feed({ type: 'tick' })
  t.strictSame(process.said.slice(3), ['suspended', 'deposed'])
  process.store.entry = null
  process.pass(3 * leaseMs)
  t.equal(process.said.length, 5, 'for good')
})

t.test('an answer that a pause held up renews the lease from when it was asked for', async (t) => {
  for (const [heldMs, expected] of [
    [suspendMs - 1, []],
    [suspendMs, [{ type: 'suspended' }, { type: 'read' }]],
  ] as const) {
    let state = standby(self, 0)
    const feed = (event: LeadershipEvent, now: number) => {
      const decision = decide(state, event, now)
      state = decision.state
      return decision.commands
    }
    feed({ type: 'tick' }, 0)
    feed({ type: 'read', ticket: 0, entry: null }, 0)
    t.match(feed({ type: 'written', ticket: 1, revision: 1 }, 0), [{ type: 'elected', epoch: 1 }])
    t.match(feed({ type: 'tick' }, renewMs), [{ type: 'write', ticket: 2 }])
    const woken = renewMs + heldMs
    const commands = feed({ type: 'written', ticket: 2, revision: 2 }, woken)
    t.match(commands.slice(0, expected.length), expected)
    t.equal(leads(state, woken), heldMs < suspendMs)
  }
})

t.test('a claim whose answer was held up does not lead before it is renewed', async (t) => {
  let state = standby(self, 0)
  for (const [event, now] of [
    [{ type: 'tick' }, 0],
    [{ type: 'read', ticket: 0, entry: null }, 0],
  ] as const) {
    state = decide(state, event, now).state
  }
  const late = decide(state, { type: 'written', ticket: 1, revision: 1 }, suspendMs)
  t.match(late.commands, [{ type: 'write', revision: 1 }])
  t.notOk(leads(late.state, suspendMs))
  const renewed = decide(late.state, { type: 'written', ticket: 2, revision: 2 }, suspendMs + 1)
  t.match(renewed.commands, [{ type: 'elected', epoch: 1 }])
})

t.test('a leader without a store is suspended in time, and leads again when it is back', async (t) => {
  const process = single(null)
  process.pass(50)
  process.store.isReachable = false
  process.pass(suspendMs - renewMs)
  t.ok(process.leads)
  process.pass(renewMs)
  t.notOk(process.leads)
  t.strictSame(process.said, ['elected', 'suspended'])
  process.pass(20_000)
  process.store.isReachable = true
  process.pass(2 * pollMs)
  t.ok(process.leads)
  t.equal(process.state.epoch, 1)
})

t.test('a standby counts neither its own sleep nor an outage as the silence of the leader', async (t) => {
  for (const kind of ['sleep', 'outage']) {
    const process = single({ record: other, revision: 10 })
    process.pass(1000)
    if (kind === 'sleep') process.sleep(60_000)
    else {
      process.store.isReachable = false
      process.pass(60_000)
      process.store.isReachable = true
    }
    process.pass(leaseMs - 1000 - 3 * pollMs)
    t.strictSame(process.said, [], kind)
    process.pass(4 * pollMs)
    t.strictSame(process.said, ['elected'], 'it waits for the rest')
  }
})

t.test('a clean stop without a store ends all the same', async (t) => {
  const process = single(null)
  process.pass(50)
  process.store.isReachable = false
  process.feed({ type: 'stop', finished: false })
  t.notOk(process.leads, 'it gives no more commands')
  process.pass(stopMs - 100)
  t.strictSame(process.said, ['elected'])
  process.pass(100)
  t.strictSame(process.said, ['elected', 'stopped'])
})
