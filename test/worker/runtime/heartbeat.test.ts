import t from 'tap'
import { heartbeatMs, silenceMs } from '../../../protocol/socket.ts'
import { Watermark } from '../../../worker/runtime/watermark.ts'
import { FakeCoordinator, until } from '../../support/fake-coordinator.ts'
import { startWorker, toyJob } from '../../support/toy-run.ts'

t.setTimeout(120_000)

const blockMs = 3000

t.test('arithmetic that holds its thread does not stop the heartbeats', async (t) => {
  const fake = await FakeCoordinator.start(t, toyJob(t.testdir()))
  const { ended } = startWorker(t, fake.url, { blockMs })
  await until(() => fake.members[0]?.said('opened'))
  const [member] = fake.members
  const plan = { type: 'assign', audit: null, slices: null, start: 0, end: 1 } as const
  await member.send(
    { type: 'direction', step: 0, encoding: 'f32', figures: { losses: {}, norms: {}, updateNorm: 1 } },
    new Uint8Array(4000),
  )
  await until(() => member.said('at'))
  const from = performance.now()
  member.post({ ...plan, epoch: 2, step: 1 })
  await until(() => member.transfers.length === 2)
  const tookMs = performance.now() - from
  t.ok(tookMs >= blockMs, 'the thread was held')

  const beats = member.beats.filter(({ at }) => at >= from)
  const gaps = beats.slice(1).map(({ at }, i) => at - beats[i].at)
  t.ok(beats.length >= (0.7 * tookMs) / heartbeatMs, `${beats.length} beats in ${Math.round(tookMs)} ms`)
  t.ok(Math.max(...gaps) < silenceMs, `the longest silence was ${Math.round(Math.max(...gaps))} ms`)
  const during = beats.filter(({ at }) => at < from + blockMs - 500).map(({ mark }) => mark?.microBatches)
  t.equal(new Set(during).size, 1, 'and they show that the arithmetic stands still')
  t.equal(member.beats.at(-1)?.mark?.step, 1)

  member.post({ type: 'finish', reason: 'the test is over' })
  t.equal(await ended, 0)
})

t.test('the watermark is shared memory', async (t) => {
  const mine = new Watermark()
  const theirs = new Watermark(mine.memory)
  mine.set('step', 7)
  mine.add('microBatches', 2)
  mine.add('microBatches', 3)
  mine.add('bytes', 2 ** 31)
  mine.add('bytes', 2 ** 31 + 5)
  t.strictSame(theirs.read(), { step: 7, microBatches: 5, bytes: 5 }, 'counters wrap')
})
