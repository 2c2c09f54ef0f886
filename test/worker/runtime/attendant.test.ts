import t from 'tap'
import { openBus } from '../../../protocol/bus/open.ts'
import { createIdentity } from '../../../protocol/identity.ts'
import { Attendant, type FromLink } from '../../../worker/runtime/attendant.ts'
import { Watermark } from '../../../worker/runtime/watermark.ts'
import { startTemplate } from '../../support/nats-template.ts'

t.setTimeout(60_000)

t.test('a worker that is refused says why, and does not ask again', async (t) => {
  const server = await startTemplate(t, ['worker-1'])
  const { tls, credentials } = server.options('worker-1')

  const cases = {
    'no options for TLS': [{ credentials }, 'default', { code: 'CONNECTION_CERTIFICATE', hint: /--tls-ca/ }],
    'no certificate of its own': [
      { credentials, tls: { ca: tls?.ca } },
      'default',
      { code: 'CONNECTION_CERTIFICATE', message: /wants a client certificate/, hint: /--tls-cert/ },
    ],
    'no credentials': [{ tls }, 'default', { code: 'BUS_UNAVAILABLE', message: /none were given/, hint: /--bus-credentials/ }],
    'a user of another cluster': [
      { credentials, tls },
      'other',
      { code: 'BUS_UNAVAILABLE', message: 'this user may not work for the cluster other', hint: /users\.js --cluster/ },
    ],
  } as const
  for (const [what, [options, cluster, expected]] of Object.entries(cases)) {
    const told: FromLink[] = []
    let opens = 0
    const attendant = new Attendant({
      url: server.tlsUrl,
      cluster,
      token: 'a token',
      identity: createIdentity(),
      pid: process.pid,
      watermark: new Watermark(),
      open: () => {
        opens += 1
        return openBus(server.tlsUrl, options)
      },
      tell: (message) => void told.push(message),
    })
    await attendant.run()
    await attendant.receive({ type: 'close' })
    t.match(told, [{ type: 'failed', error: expected }], what)
    t.equal(opens, 1, 'once')
  }
})
