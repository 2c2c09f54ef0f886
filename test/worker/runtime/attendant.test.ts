import t from 'tap'
import { createIdentity } from '../../../protocol/identity.ts'
import { runWorker, type WorkerOptions } from '../../../worker/main.ts'
import { makeAuthority, makeCertificate, pemTexts } from '../../support/certificates.ts'
import { startNats } from '../../support/nats.ts'
import { startTemplate } from '../../support/nats-template.ts'

t.setTimeout(60_000)

const work = (options: Pick<WorkerOptions, 'bus' | 'tls' | 'credentials' | 'cluster'>) =>
  runWorker({ token: 'a token', identity: createIdentity(), ...options })

t.test('a worker that is refused says why, and does not ask again', async (t) => {
  const server = await startTemplate(t, ['worker-1'])
  const { tls, credentials } = server.options('worker-1')
  const bus = server.tlsUrl
  const begin = performance.now()
  await t.rejects(work({ bus, credentials }), { code: 'CONNECTION_CERTIFICATE', received: /^(UNABLE_TO|SELF_SIGNED)/ }, 'no authority')
  await t.rejects(
    work({ bus, credentials, tls: { ca: tls?.ca } }),
    { code: 'CONNECTION_CERTIFICATE', message: /wants a client certificate/, hint: /--tls-cert/ },
    'no certificate',
  )
  await t.rejects(work({ bus, tls }), { message: /none were given/, hint: /--bus-credentials/ }, 'no credentials')
  await t.rejects(
    work({ bus, tls, credentials, cluster: 'other' }),
    { code: 'BUS_UNAVAILABLE', message: 'this user may not work for the cluster other', hint: /users\.js --cluster/ },
    'a user of another cluster',
  )
  t.ok(performance.now() - begin < 9000, `none of it takes the patience of a worker: ${Math.round(performance.now() - begin)} ms`)
})

t.test('an address of another kind', async (t) => {
  const folder = t.testdir()
  const authority = makeAuthority(folder, 'authority')
  const certificate = makeCertificate(folder, authority, 'server')
  const { startCoordinator } = await import('../../../coordinator/main.ts')
  const { toyJob } = await import('../../support/toy-run.ts')
  const coordinator = await startCoordinator({
    job: toyJob(t.testdir({ model: {} })),
    out: `${folder}/run`,
    token: 'a token',
    tls: pemTexts(authority.cert, certificate),
  })
  t.teardown(() => coordinator.stop('the test is over'))
  coordinator.result.catch(() => {})
  await t.rejects(work({ bus: coordinator.bus.replace('wss:', 'ws:') }), { code: 'CONNECTION_REFUSED', hint: /try wss:/ }, 'no TLS')
  const plain = await startNats(t)
  await t.rejects(
    work({ bus: `tls://127.0.0.1:${plain.port}` }),
    { code: 'BUS_UNAVAILABLE', received: /tls/, hint: /speaks no TLS/ },
    'TLS where there is none',
  )
})
