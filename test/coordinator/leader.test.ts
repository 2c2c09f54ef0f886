import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { type CoordinatorEvent, startCoordinator } from '../../coordinator/main.ts'
import { NatsBus } from '../../protocol/bus/nats.ts'
import type { TlsFiles } from '../../protocol/tls.ts'
import { startTemplate } from '../support/nats-template.ts'
import { token, toyJob } from '../support/toy-run.ts'

t.setTimeout(60_000)

t.test('a user that may not lead is told so at once', async (t) => {
  const server = await startTemplate(t, ['coordinator-1', 'worker-1'])
  mkdirSync(join(server.folder, 'model'))
  const job = toyJob(join(server.folder, 'model'))
  let started = 0
  const start = async (user: string, cluster: string) => {
    const folder = join(server.folder, `coordinator-${started++}`)
    mkdirSync(folder)
    const { tls, credentials } = server.options(user)
    const events: CoordinatorEvent[] = []
    const coordinator = await startCoordinator({
      job,
      out: join(folder, 'run'),
      bus: { url: server.tlsUrl, cluster, credentials },
      tls: tls as TlsFiles,
      token,
      onEvent: (event) => void events.push(event),
    })
    t.teardown(() => coordinator.stop('the test is over'))
    coordinator.result.catch(() => {})
    return { ...coordinator, events }
  }

  const begin = performance.now()
  const worker = await start('worker-1', 'default')
  await t.rejects(worker.result, {
    code: 'BUS_UNAVAILABLE',
    message: 'this user may not lead in the cluster default',
    received: /Permissions Violation/,
    hint: /--bus-credentials of a coordinator/,
  })
  t.ok(performance.now() - begin < 10_000)

  const leader = await start('coordinator-1', 'default')
  while (!leader.events.some(({ type }) => type === 'leading')) await sleep(20)
  const standby = await start('worker-1', 'default')
  await t.rejects(standby.result, { message: /may not lead/ }, 'though a standby only reads')

  const second = await start('coordinator-1', 'default')
  const told = () => second.events.find((event) => event.type === 'notice' && event.message.startsWith('standing by: '))
  while (!told()) await sleep(20)
  t.match(told(), { message: /^standing by: wss:\/\/\S+ leads \(epoch 1\)$/ })
})

t.test('the record itself may be what is forbidden', async (t) => {
  const server = await startTemplate(t, ['worker-1'])
  const { Leadership } = await import('../../coordinator/leadership/lead.ts')
  const { silentLog } = await import('../../coordinator/run/events.ts')
  const bus = await NatsBus.open(server.tlsUrl, server.options('worker-1'))
  t.teardown(() => bus.close())
  const never = () => t.fail('it has no part in the run')
  const error = await new Promise<Error>((resolve) => {
    const events = {
      onStandingBy: never,
      onElected: never,
      onSuspended: never,
      onResumed: never,
      onDeposed: never,
      onFinished: never,
      onRefused: resolve,
    }
    const leadership = new Leadership({
      bus,
      cluster: 'default',
      runId: '1'.repeat(64),
      url: '',
      isAlone: false,
      log: silentLog,
      ...events,
    })
    leadership.start()
  })
  t.match(error, { code: 'BUS_UNAVAILABLE', message: /may not lead in the cluster default/ })
})
