import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { FakeCoordinator, until } from './support/fake-coordinator.ts'
import { joinWorker, opened } from './support/joined-worker.ts'
import { toyJob } from './support/toy-run.ts'
t.setTimeout(200000)
for (let i = 0; i < 8; i++)
t.test('back', async (t) => {
  const job = toyJob(t.testdir())
  const fake = await FakeCoordinator.start(t, job)
  const t0 = performance.now()
  const say = (f: object, m: string) => console.error(Math.round(performance.now() - t0), m)
  const { ended } = joinWorker(t, fake.url, {}, { log: { info: say, warn: say } })
  ended.catch((e) => console.error(Math.round(performance.now() - t0), 'ended', e.format()))
  await opened(fake, 0)
  const figures = { losses: {}, norms: {}, updateNorm: 0 }
  await fake.members[0].send({ type: 'direction', step: 0, encoding: 'f32', figures }, new Uint8Array(4000))
  await until(() => fake.members[0].said('at'))
  const port = Number(new URL(fake.url).port)
  await fake.stop()
  console.error(Math.round(performance.now() - t0), 'stopped')
  await sleep(500)
  const again = await FakeCoordinator.start(t, job, { port, epoch: 2, runId: fake.runId })
  console.error(Math.round(performance.now() - t0), 'started')
  try { await opened(again, 0) } catch (e) { t.fail(String(e)); console.error('hellos', again.hellos.length, again.members.length, again.members.map(m => [m.messages.length, m.beats.length, m.bulk !== null])) }
  again.members[0]?.post({ type: 'finish', reason: 'x' })
  await ended.catch(() => {})
})
