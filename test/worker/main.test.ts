import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { LetheError } from '../../protocol/errors.ts'
import { createIdentity } from '../../protocol/identity.ts'
import type { StepFigures } from '../../protocol/messages.ts'
import { runWorker } from '../../worker/main.ts'
import { FakeCoordinator, type FakeMember, until } from '../support/fake-coordinator.ts'
import { assign, joinWorker, opened } from '../support/joined-worker.ts'
import { toyJob } from '../support/toy-run.ts'
import { toyOpener, toyParameters } from '../support/toy-session.ts'

t.setTimeout(120_000)

const figures: StepFigures = { losses: { keep: 1 }, norms: { keep: 2 }, updateNorm: 3 }
const direction = new Uint8Array(new Float32Array(toyParameters).fill(0.1).buffer)

const sendDirection = (member: FakeMember, step: number) =>
  member.send({ type: 'direction', step, encoding: 'f32', figures: { ...figures, updateNorm: step } }, direction)

t.test('a session outlives its membership', async (t) => {
  const fake = await FakeCoordinator.start(t, toyJob(t.testdir()))
  const { ended, sessions } = joinWorker(t, fake.url, { microBatchMs: 30 })
  const first = await opened(fake, 0)
  t.equal(first.isHeld, false)
  t.equal(first.said('opened')?.held, null)
  const { parentDigest } = first.said('opened') ?? {}
  await sendDirection(first, 0)
  await until(() => first.said('at'))
  first.post(assign(10, 1, 0, 11))
  await sleep(100)

  await fake.lead(2)
  const second = await opened(fake, 1)
  t.equal(second.isHeld, true, 'no files are needed')
  const held = { version: 1, digest: sessions[0].digest(), figures: { ...figures, updateNorm: 0 } }
  t.match(second.said('opened'), { parentDigest, held })
  t.not(second.hello.instance, first.hello.instance)
  t.equal(second.hello.publicKey, first.hello.publicKey)
  second.post(assign(1, 1))
  await until(() => second.transfers.length === 2)
  t.match(second.transfers[0].message, { type: 'partial', epoch: 1, step: 1, level: 1, index: 0 })
  t.strictSame(first.transfers, [], 'the work of the old membership was dropped')

  // The bulk socket breaks, the leader stays.
  second.bulk?.terminate()
  const third = await opened(fake, 2)
  t.match(third.said('opened'), { held })
  t.equal(sessions.length, 1, 'it was opened once')

  third.post({ type: 'restart', reason: 'from the parent again' })
  const fourth = await opened(fake, 3)
  t.equal(fourth.isHeld, false)
  t.match(fourth.said('opened'), { held: null, parentDigest })
  t.equal(sessions.length, 2)
  fourth.post({ type: 'finish', reason: 'the test is over' })
  await ended
})

t.test('a coordinator that comes back on its port finds the worker as it was', async (t) => {
  const job = toyJob(t.testdir())
  const fake = await FakeCoordinator.start(t, job)
  const { ended, sessions } = joinWorker(t, fake.url)
  const first = await opened(fake, 0)
  await sendDirection(first, 0)
  await until(() => first.said('at'))
  const port = Number(new URL(fake.url).port)
  await fake.stop()
  await sleep(500)
  const again = await FakeCoordinator.start(t, job, { port, epoch: 2, runId: fake.runId })
  const member = await opened(again, 0)
  t.match(member.said('opened'), { held: { version: 1, figures: { updateNorm: 0 } } })
  t.equal(sessions.length, 1)
  await again.record('finished')
  await ended
  t.pass('a run that is marked as finished ends its workers')
})

t.test('a refusal is final, unless it may be the doing of a change of leader', async (t) => {
  const fake = await FakeCoordinator.start(t, toyJob(t.testdir()))
  fake.refuse = () => new LetheError('CONNECTION_TOKEN', { message: 'no' })
  await t.rejects(joinWorker(t, fake.url).ended, { code: 'CONNECTION_TOKEN', message: 'no' })
  t.equal(fake.hellos.length, 1)

  let refusals = 0
  fake.refuse = () => (++refusals <= 2 ? new LetheError('CONNECTION_IDENTITY', { message: 'signed for another leader' }) : null)
  const patient = joinWorker(t, fake.url)
  const member = await opened(fake, 0)
  t.equal(new Set(fake.hellos.map(({ instance }) => instance)).size, 4, 'what was refused is not asked again')
  member.post({ type: 'fail', error: new LetheError('COMPUTE_DIGEST', { message: 'w1 is faulty' }).toWire() })
  await t.rejects(patient.ended, { code: 'COMPUTE_DIGEST', exitCode: 52 })

  fake.refuse = () => new LetheError('CONNECTION_IDENTITY', { message: 'bound to another' })
  await t.rejects(joinWorker(t, fake.url).ended, { code: 'CONNECTION_IDENTITY' })
})

t.test('a failure is told before the worker ends', async (t) => {
  const fake = await FakeCoordinator.start(t, toyJob(t.testdir()))
  const { ended } = joinWorker(t, fake.url, { openError: 'CHECKPOINT_FORMAT' })
  await t.rejects(ended, { code: 'CHECKPOINT_FORMAT' })
  t.match(fake.members[0].said('failed'), { error: { code: 'CHECKPOINT_FORMAT' } })
})

t.test('sockets that would not be encrypted are refused', async (t) => {
  const options = { token: 'a token', identity: createIdentity(), openSession: toyOpener() }
  await t.rejects(runWorker({ ...options, bus: 'ws://192.0.2.1:7777' }), { code: 'CONNECTION_INSECURE' })
  await t.rejects(runWorker({ ...options, bus: 'ws://127.0.0.1:9', mesh: { host: '0.0.0.0', port: 0 } }), { code: 'CONNECTION_INSECURE' })
})
