import t from 'tap'
import { CheckedTransport } from '../../../protocol/bus/nats/transport.ts'
import { NatsBus } from '../../../protocol/bus/nats.ts'
import { startNats } from '../../support/nats.ts'
import { guards, makeNames, serve } from './conformance/guards.ts'

t.setTimeout(120_000)

const names = makeNames(t.testdir())
const { byIp, localhost, trusted } = names

guards(t, 'tls', names)

t.test('servers that a cluster announces', async (t) => {
  const { server, show } = await serve(t, names, localhost)
  const connect = async (hostname: string, tlsName: string) => {
    const transport = new CheckedTransport(() => {})
    t.teardown(() => transport.discard())
    await transport.connect({ hostname, port: server.port, tlsName }, { tls: { ca: trusted.ca } })
  }
  await t.resolves(connect('127.0.0.1', 'localhost'), 'by IP: they answer to the name that was dialled')
  await t.rejects(connect('127.0.0.1', ''), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' }, 'which was an IP as well')
  show(byIp)
  await server.restart()
  await t.resolves(connect('127.0.0.1', ''))
  await t.rejects(connect('127.0.0.2', ''), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' })
})

t.test('TLS where there is none', async (t) => {
  const plain = await startNats(t)
  const open = NatsBus.open(`tls://127.0.0.1:${plain.port}`, { tls: trusted })
  await t.rejects(open, { code: 'BUS_UNAVAILABLE', received: /tls/, hint: /speaks no TLS/ })
})
