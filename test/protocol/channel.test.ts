import fc from 'fast-check'
import t from 'tap'
import { Channel, type ChannelPacket, maxUnacknowledged, windowBodies } from '../../protocol/channel.ts'

type Packet = ChannelPacket<number>

/** What a receiving end would do wrong; `none` is the product. */
type Fault = 'none' | 'acceptsDuplicates' | 'skipsGaps' | 'confirmsUnseen' | 'neverResends'

interface Schedule {
  /** Posts of each end: at which millisecond. */
  posts: { end: 0 | 1; at: number }[]
  /** Drawn one after another, for each packet: lost, doubled, and how long it takes. */
  packets: { lost: boolean; doubled: boolean; delays: [number, number] }[]
  healedAt: number
}

const tickMs = 50
const resendMs = 300
/** After the last post and the last fault, until everything has arrived and both ends are silent. */
const settleMs = 4 * resendMs

const schedules = fc.record<Schedule>({
  posts: fc.array(fc.record({ end: fc.constantFrom(0 as const, 1 as const), at: fc.nat(2000) }), {
    minLength: 1,
    maxLength: 60,
    size: 'max',
  }),
  packets: fc.array(
    fc.record({
      lost: fc.boolean(),
      doubled: fc.boolean(),
      delays: fc.tuple(fc.nat(700), fc.nat(700)),
    }),
    { minLength: 1, maxLength: 60, size: 'max' },
  ),
  healedAt: fc.nat(4000),
})

/** Runs two ends over the network of the schedule, to some time after it is whole. @returns what each end posted and got. */
function play({ posts, packets, healedAt }: Schedule, fault: Fault = 'none') {
  let now = 0
  let drawn = 0
  const flying: { at: number; to: 0 | 1; packet: Packet }[] = []
  const got: [number[], number[]] = [[], []]
  const posted: [number[], number[]] = [[], []]
  const wholeAt = Math.max(healedAt, 2000)
  let sentLate = 0

  const carry = (to: 0 | 1, packet: Packet) => {
    if (now > wholeAt + settleMs) sentLate += 1
    if (now >= healedAt) {
      flying.push({ at: now + 1, to, packet })
      return
    }
    const { lost, doubled, delays } = packets[drawn++ % packets.length]
    if (!lost) flying.push({ at: now + delays[0], to, packet })
    if (doubled) flying.push({ at: now + delays[1], to, packet })
  }
  const open = (end: 0 | 1) =>
    new Channel<number, number>({ resendMs, send: (packet) => carry(end === 0 ? 1 : 0, packet), deliver: (body) => got[end].push(body) })
  const ends = [open(0), open(1)] as const
  const seen = [new Set<number>(), new Set<number>()]

  const arrive = (to: 0 | 1, packet: Packet) => {
    const { seq, body } = packet
    if (body !== null && seen[to].has(seq) && fault === 'acceptsDuplicates') got[to].push(body)
    if (body !== null) seen[to].add(seq)
    if (fault === 'skipsGaps' && body !== null && seq > got[to].length + 1) {
      got[to].push(body)
      return
    }
    ends[to].receive(packet, now)
    if (fault === 'confirmsUnseen' && seq > 0) ends[to === 0 ? 1 : 0].receive({ seq: 0, ack: seq, body: null }, now)
  }

  for (now = 0; now <= wholeAt + 2 * settleMs; now += 1) {
    for (const { end, at } of posts) {
      if (at !== now) continue
      const body = posted[end].length
      posted[end].push(body)
      ends[end].post(body, now)
    }
    for (let i = 0; i < flying.length; i++) {
      if (flying[i].at > now) continue
      const [{ to, packet }] = flying.splice(i, 1)
      i -= 1
      arrive(to, packet)
    }
    if (now % tickMs === 0 && fault !== 'neverResends') for (const end of ends) end.tick(now)
  }
  return { posted, got, unacknowledged: ends.map(({ unacknowledged }) => unacknowledged), sentLate }
}

function holds(schedule: Schedule, fault?: Fault): boolean {
  const { posted, got, unacknowledged, sentLate } = play(schedule, fault)
  const isSame = (a: number[], b: number[]) => a.length === b.length && a.every((value, i) => value === b[i])
  return isSame(posted[0], got[1]) && isSame(posted[1], got[0]) && unacknowledged.every((count) => count === 0) && sentLate === 0
}

t.test('whatever the network does, each body arrives once and in order, soon after the network is whole', async (t) => {
  fc.assert(
    fc.property(schedules, (schedule) => holds(schedule)),
    { numRuns: 400 },
  )
  t.pass('400 schedules of loss, doubling and reordering')
  const faults: Fault[] = ['acceptsDuplicates', 'skipsGaps', 'confirmsUnseen', 'neverResends']
  for (const fault of faults) {
    const { failed } = fc.check(
      fc.property(schedules, (schedule) => holds(schedule, fault)),
      { numRuns: 400, endOnFailure: true },
    )
    t.ok(failed, `an end that ${fault} is found`)
  }
})

/** Both ends with what they sent in lists that the test moves by hand. */
function pair() {
  const wires: [Packet[], Packet[]] = [[], []]
  const got: [number[], number[]] = [[], []]
  const open = (end: 0 | 1) =>
    new Channel<number, number>({ send: (packet) => wires[end].push(packet), deliver: (body) => got[end].push(body) })
  return { left: open(0), right: open(1), wires, got }
}

t.test('nothing is sent for nothing', async (t) => {
  const { left, right, wires, got } = pair()
  left.post(7, 0)
  t.strictSame(wires[0], [{ seq: 1, ack: 0, body: 7 }], 'at once')
  right.receive(wires[0][0], 1)
  t.strictSame(wires[1], [], 'not confirmed before the tick')
  right.tick(50)
  t.strictSame(wires[1], [{ seq: 0, ack: 1, body: null }])
  left.receive(wires[1][0], 51)
  t.equal(left.unacknowledged, 0)
  for (let now = 100; now < 2000; now += 50) {
    left.tick(now)
    right.tick(now)
  }
  t.equal(wires[0].length + wires[1].length, 2, 'then silence')
  right.receive(wires[0][0], 2000)
  t.strictSame(got[1], [7], 'a late double is not delivered')
  right.tick(2000)
  t.equal(wires[1].length, 2, 'and is confirmed again, because the first confirmation may be lost')
  right.post(8, 2001)
  t.strictSame(wires[1].at(-1), { seq: 1, ack: 1, body: 8 }, 'a body confirms too')
  right.acknowledge()
  t.strictSame(wires[1].at(-1), { seq: 1, ack: 1, body: null }, 'a heartbeat has the number of the last body')
})

t.test('a lost body is sent again after resendMs, and no sooner', async (t) => {
  const { left, wires } = pair()
  left.post(7, 0)
  left.tick(299)
  t.equal(wires[0].length, 1)
  left.tick(300)
  t.strictSame(wires[0][1], wires[0][0])
  left.tick(599)
  t.equal(wires[0].length, 2)
})

t.test('an answer from within deliver confirms what it answers', async (t) => {
  const sent: Packet[] = []
  const channel: Channel<number, number> = new Channel({ send: (packet) => sent.push(packet), deliver: (body) => channel.post(-body, 0) })
  channel.receive({ seq: 1, ack: 0, body: 5 }, 0)
  t.strictSame(sent, [{ seq: 1, ack: 1, body: -5 }])
})

t.test('memory is bounded on both ends', async (t) => {
  const { left, right, wires, got } = pair()
  for (let i = 1; i <= maxUnacknowledged; i++) left.post(i, 0)
  t.equal(wires[0].length, windowBodies, 'no more than a window travels')
  t.throws(() => left.post(0, 0), { code: 'CONNECTION_REFUSED', message: /stopped answering/ })
  t.equal(left.unacknowledged, maxUnacknowledged)

  right.receive({ seq: windowBodies + 1, ack: 0, body: 1 }, 0)
  for (const packet of wires[0].slice(1)) right.receive(packet, 0)
  t.strictSame(got[1], [], 'the first is missing')
  right.receive(wires[0][0], 0)
  t.equal(got[1].length, windowBodies, 'what was outside the window is dropped')

  for (let now = 50; got[1].length < maxUnacknowledged && now < 10_000; now += 50) {
    right.tick(now)
    for (const packet of wires[1].splice(0)) left.receive(packet, now)
    for (const packet of wires[0].splice(0)) right.receive(packet, now)
  }
  t.strictSame(
    got[1],
    Array.from({ length: maxUnacknowledged }, (_, i) => i + 1),
    'the rest follows as confirmations come',
  )
})

t.test('a confirmation of what was never sent is refused', async (t) => {
  const { left } = pair()
  left.post(1, 0)
  t.throws(() => left.receive({ seq: 0, ack: 2, body: null }, 0), { code: 'CONNECTION_FRAME' })
  t.equal(left.unacknowledged, 1)
})
