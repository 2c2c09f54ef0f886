import t from 'tap'
import { NatsBus } from '../../../protocol/bus/nats.ts'
import { startTemplate } from '../../support/nats-template.ts'
import { bytes, refused, text, until } from './conformance/substrate.ts'

t.test('the template’s WebSocket listener has the same guards', async (t) => {
  const server = await startTemplate(t, ['coordinator-1', 'worker-1'])
  const { tls, credentials } = server.options('worker-1')
  t.equal(await refused(NatsBus.open(server.wssUrl, { tls: { ca: tls?.ca }, credentials })), 'CONNECTION_CERTIFICATE', 'no certificate')
  t.equal(await refused(NatsBus.open(server.wssUrl, { tls })), 'BUS_UNAVAILABLE', 'no key')
  t.equal(await refused(NatsBus.open(server.wssUrl, { credentials })), 'CONNECTION_CERTIFICATE', 'another CA')
  const coordinator = await NatsBus.open(server.wssUrl, server.options('coordinator-1'))
  const worker = await NatsBus.open(server.wssUrl, server.options('worker-1'))
  t.teardown(() => Promise.all([coordinator.close(), worker.close()]))
  await (await coordinator.keyValue('lethe-default')).put('leader.run', bytes('1'))
  const values = await worker.keyValue('lethe-default')
  t.equal(text((await values.get('leader.run'))?.value), '1')
  t.equal(await refused(values.put('leader.run', bytes('me'))), 'BUS_UNAVAILABLE')
  await coordinator.subscribe('lethe.default.run.join', ({ respond }) => respond(bytes('welcome')))
  t.equal(text(await worker.request('lethe.default.run.join', bytes(''), { timeoutMs: 3000 })), 'welcome')
  await server.restart()
  t.ok(await until(() => worker.isConnected && coordinator.isConnected))
  t.equal(text(await worker.request('lethe.default.run.join', bytes(''), { timeoutMs: 3000 })), 'welcome')
})
