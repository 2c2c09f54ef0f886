import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { Bus } from '../../protocol/bus/bus.ts'
import { openBus } from '../../protocol/bus/open.ts'
import { createIdentity } from '../../protocol/identity.ts'
import { runWorker } from '../../worker/main.ts'
import { FakeCoordinator, until } from '../support/fake-coordinator.ts'
import { assign, joinWorker, opened } from '../support/joined-worker.ts'
import { startNats } from '../support/nats.ts'
import { toyJob } from '../support/toy-run.ts'
import { toyParameters } from '../support/toy-session.ts'

t.setTimeout(120_000)

async function bus(t: Test, url: string): Promise<Bus> {
  const opened = await openBus(url)
  t.teardown(() => opened.close())
  return opened
}

// Started at once: it takes as long as the patience of a worker.
const absent = runWorker({ bus: 'nats://127.0.0.1:9', token: 'a token', identity: createIdentity() })
absent.catch(() => {})

t.test('a worker waits for a first leader, and follows the next one with its session', async (t) => {
  const nats = await startNats(t)
  const job = toyJob(t.testdir())
  const notices: string[] = []
  const say = (_fields: object, message: string) => void notices.push(message)
  const { ended, sessions } = joinWorker(t, nats.wsUrl, {}, { cluster: 'house', log: { info: say, warn: say } })
  await until(() => notices.length === 1)
  t.strictSame(notices, ['waiting for a coordinator'])
  await sleep(1500)
  t.equal(notices.length, 1, 'it says so once')

  const options = { cluster: 'house', bus: await bus(t, nats.url) }
  const one = await FakeCoordinator.start(t, job, { ...options, epoch: 1 })
  const first = await opened(one, 0)
  const figures = { losses: {}, norms: {}, updateNorm: 1 }
  await first.send({ type: 'direction', step: 0, encoding: 'f32', figures }, new Uint8Array(4 * toyParameters))
  await until(() => first.said('at'))
  first.post(assign(5, 1))
  await until(() => first.transfers.length === 2)

  // The leader dies; a standby on another port takes over a while later.
  one.isSilent = true
  await one.stop()
  await sleep(2500)
  const { runId } = one
  const from = performance.now()
  const two = await FakeCoordinator.start(t, job, { cluster: 'house', bus: await bus(t, nats.url), epoch: 2, runId })
  const second = await opened(two, 0)
  t.comment(`joined the next leader after ${Math.round(performance.now() - from)} ms`)
  t.ok(performance.now() - from < 2000)
  t.match(second.said('opened'), { held: { version: 1, figures } })
  t.equal(sessions.length, 1)

  // The leader is stopped and another takes over: the worker hears of it though its sockets are whole.
  two.isSilent = true
  const three = await FakeCoordinator.start(t, job, { cluster: 'house', bus: await bus(t, nats.url), epoch: 3, runId })
  t.match((await opened(three, 0)).said('opened'), { held: { version: 1 } })

  // The server dies and comes back on its store: the membership goes on.
  const member = three.members[0]
  await nats.kill()
  member.post(assign(9, 1, 0, 1))
  await sleep(1000)
  t.equal(member.transfers.length, 0)
  await nats.restart()
  await until(() => member.transfers.length === 2)
  const beats = member.beats.length
  await until(() => member.beats.length > beats + 3)
  t.equal(three.members.length, 1, 'it did not have to join again')
  member.post({ type: 'finish', reason: 'the test is over' })
  await ended
})

t.test('a server that is not there', async (t) => {
  await t.rejects(absent, { code: 'BUS_UNAVAILABLE', exitCode: 45, received: 'ECONNREFUSED', hint: /--bus/ }, 'the cause is told')
})
