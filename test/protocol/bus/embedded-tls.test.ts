import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { WebSocketServer } from 'ws'
import { Broker } from '../../../coordinator/broker/broker.ts'
import { openBus } from '../../../protocol/bus/open.ts'
import { makeCertificates } from '../../support/nats-template.ts'
import { bytes, text } from './conformance/substrate.ts'

t.test('the embedded bus over TLS, with certificates on both sides', async (t) => {
  const folder = t.testdir()
  const tls = makeCertificates(folder)
  const own = (name: string) => readFileSync(join(folder, name))
  const server = createServer({
    cert: own('server.pem'),
    key: own('server.key'),
    ca: own('ca.pem'),
    requestCert: true,
    rejectUnauthorized: true,
  })
  const broker = new Broker({ folder: null })
  const sockets = new WebSocketServer({ server, perMessageDeflate: false })
  sockets.on('connection', (socket) => broker.attach(socket, { role: 'coordinator' }))
  await once(server.listen(0, '0.0.0.0'), 'listening')
  const url = `wss://127.0.0.1:${(server.address() as AddressInfo).port}`
  t.teardown(async () => {
    for (const one of sockets.clients) one.terminate()
    await broker.close()
    server.close()
  })

  const bus = await openBus(url, { tls })
  const values = await bus.keyValue('values')
  await values.put('a', bytes('1'))
  t.equal(text((await values.get('a'))?.value), '1')
  await bus.close()
  await t.rejects(openBus(url, { tls: { ca: tls.ca } }), { code: 'CONNECTION_CERTIFICATE' }, 'no certificate')
  await t.rejects(openBus(url, { tls: { cert: tls.cert, key: tls.key } }), { code: 'CONNECTION_CERTIFICATE' }, 'another CA')
  await t.rejects(openBus(url.replace('wss:', 'ws:'), {}), { code: 'CONNECTION_REFUSED', hint: /try wss:/ }, 'no TLS')
  await t.rejects(
    openBus(url.replace('127.0.0.1', '127.0.0.2'), { tls }),
    { code: 'CONNECTION_CERTIFICATE', received: /^ERR_TLS_CERT_ALTNAME_INVALID: /, hint: /must name the address/ },
    'an address that the certificate does not name',
  )
})
