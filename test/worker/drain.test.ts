import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { FakeCoordinator, until } from '../support/fake-coordinator.ts'
import { assign, joinWorker, opened } from '../support/joined-worker.ts'
import { startWorker, toyJob } from '../support/toy-run.ts'

t.setTimeout(120_000)

t.test('a worker that is asked to stop goes when it is let go', async (t) => {
  const fake = await FakeCoordinator.start(t, toyJob(t.testdir()))
  const { child, ended } = startWorker(t, fake.url, { microBatchMs: 100 })
  const member = await opened(fake, 0)
  member.post(assign(1, 0, 0, 4))
  await sleep(150)
  child.kill('SIGTERM')
  await until(() => member.said('leaving'))
  t.strictSame(member.transfers, [])
  await until(() => member.transfers.length === 2)
  t.pass('it does what it had in hand')
  const beats = member.beats.length
  await until(() => member.beats.length > beats + 1)
  member.post({ type: 'finish', reason: 'go in peace' })
  const from = performance.now()
  t.equal(await ended, 0)
  t.ok(performance.now() - from < 2000)
})

t.test('a worker that is asked to stop does not wait for ever', async (t) => {
  const fake = await FakeCoordinator.start(t, toyJob(t.testdir()))
  const worker = joinWorker(t, fake.url)
  await opened(fake, 0)
  worker.leave()
  const from = performance.now()
  await worker.ended
  const waitedMs = performance.now() - from
  t.ok(waitedMs > 9000 && waitedMs < 13_000, `${Math.round(waitedMs)} ms`)
})

t.test('a worker that has joined nothing stops at once', async (t) => {
  const fake = await FakeCoordinator.start(t, toyJob(t.testdir()))
  fake.isSilent = true
  const worker = joinWorker(t, fake.url)
  await until(() => fake.hellos.length === 2)
  t.equal(fake.hellos[0].instance, fake.hellos[1].instance, 'a hello without an answer is repeated as it was')
  worker.leave()
  await worker.ended
})
