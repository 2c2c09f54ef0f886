import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { TAP, Test } from 'tap'
import { NatsBus } from '../../../../protocol/bus/nats.ts'
import { BusRefused } from '../../../../protocol/bus/refused.ts'
import { LetheError } from '../../../../protocol/errors.ts'
import { type Files, makeAuthority, makeCertificate, pemTexts } from '../../../support/certificates.ts'
import { type NatsServer, startNats } from '../../../support/nats.ts'
import { until } from './substrate.ts'

export type Scheme = 'tls' | 'nats+wss'

/** An authority, certificates of it for several names, and one of another authority. */
export function makeNames(folder: string) {
  const authority = makeAuthority(folder, 'authority')
  const named = (name: string, names: string) => makeCertificate(folder, authority, name, { names })
  return {
    folder,
    authority,
    byIp: named('by-ip', 'IP:127.0.0.1'),
    localhost: named('localhost', 'DNS:localhost'),
    machine: named('machine', 'DNS:machine.example'),
    stranger: makeCertificate(folder, makeAuthority(folder, 'elsewhere'), 'stranger'),
    trusted: pemTexts(authority.cert),
  }
}
export type Names = ReturnType<typeof makeNames>

interface Guards {
  /** Clients must show a certificate. */
  verify?: boolean
  password?: string
}

/** A server on every address of this machine, with a certificate that can be replaced between two starts. */
export async function serve(t: Test, { folder, authority }: Names, certificate: Files, { verify = false, password }: Guards = {}) {
  const files = { cert: join(folder, 'server.pem'), key: join(folder, 'server.key') }
  const show = ({ cert, key }: Files) => {
    copyFileSync(cert, files.cert)
    copyFileSync(key, files.key)
  }
  show(certificate)
  const tls = `tls { cert_file: "${files.cert}", key_file: "${files.key}", ca_file: "${authority.cert}", verify: ${verify} }`
  const server = await startNats(t, {
    config: ({ port, wsPort, folder: own }) => `
listen: "0.0.0.0:${port}"
jetstream { store_dir: "${join(own, 'store')}" }
${tls}
websocket { listen: "0.0.0.0:${wsPort}", ${tls} }
${password === undefined ? '' : `authorization { user: lethe, password: ${password} }`}`,
  })
  return { server, show }
}

const urlOf: Record<Scheme, (host: string, server: NatsServer) => string> = {
  tls: (host: string, { port }: NatsServer) => `tls://${host}:${port}`,
  'nats+wss': (host: string, { wsPort }: NatsServer) => `nats+wss://${host}:${wsPort}`,
}

async function failureOf(promise: Promise<NatsBus>): Promise<LetheError> {
  try {
    await (await promise).close()
  } catch (error) {
    if (error instanceof LetheError) return error
    throw error
  }
  throw new Error('it did not fail')
}

/** Whom a client of the NATS bus takes for the server, and what it says where it is not taken itself. */
export function guards(t: TAP, scheme: Scheme, names: Names): void {
  const { byIp, localhost, machine, stranger, authority, trusted } = names
  const url = urlOf[scheme]

  t.test(`${scheme}: the certificate must name the address that is dialled`, async (t) => {
    const { server, show } = await serve(t, names, byIp)
    const bus = await NatsBus.open(url('127.0.0.1', server), { tls: trusted })
    t.teardown(() => bus.close())
    t.pass('an address that is an IP, and a certificate for nothing else')

    for (const host of ['127.0.0.2', 'localhost'])
      t.match(
        await failureOf(NatsBus.open(url(host, server), { tls: trusted })),
        { code: 'CONNECTION_CERTIFICATE', received: /^ERR_TLS_CERT_ALTNAME_INVALID/, hint: /must name the address that is dialled/ },
        host,
      )

    // Whoever has a certificate of the authority for localhost takes the server's place.
    show(localhost)
    await server.restart()
    await sleep(2000)
    t.notOk(bus.isConnected, 'a connection that is made again is looked at as well')
    t.match(await failureOf(NatsBus.open(url('127.0.0.1', server), { tls: trusted })), { code: 'CONNECTION_CERTIFICATE' })
    await (await NatsBus.open(url('localhost', server), { tls: trusted })).close()

    show(byIp)
    await server.restart()
    t.ok(await until(() => bus.isConnected), 'and the right server is taken back')
  })

  t.test(`${scheme}: what is wrong is said, and at once`, async (t) => {
    const password = 'correct-horse'
    const { server } = await serve(t, names, byIp, { verify: true, password })
    const address = url('127.0.0.1', server)
    const credentials = `lethe:${password}`
    const mutual = pemTexts(authority.cert, machine)
    await (await NatsBus.open(address, { tls: mutual, credentials })).close()

    const begin = performance.now()
    const without = await failureOf(NatsBus.open(address, { tls: trusted, credentials }))
    t.match(`${without.message} ${without.hint}`, /client certificate|certificate of its own/)
    t.equal(without.code, 'CONNECTION_CERTIFICATE', 'no client certificate')
    const foreign = await failureOf(NatsBus.open(address, { tls: pemTexts(authority.cert, stranger), credentials }))
    t.equal(foreign.code, 'CONNECTION_CERTIFICATE', 'one of another authority')
    t.match(await failureOf(NatsBus.open(address, { credentials })), { code: 'CONNECTION_CERTIFICATE' }, 'no authority')
    const nobody = await failureOf(NatsBus.open(address, { tls: mutual }))
    t.match(nobody, { code: 'BUS_UNAVAILABLE', message: /wants credentials, and none were given/, hint: /--bus-credentials/ })
    t.ok(nobody instanceof BusRefused)
    const wrong = await failureOf(NatsBus.open(address, { tls: mutual, credentials: 'lethe:wrong' }))
    t.match(wrong, { code: 'BUS_UNAVAILABLE', message: /does not accept the credentials/ })
    t.ok(wrong instanceof BusRefused)
    t.ok(performance.now() - begin < 4000, `all of it within ${Math.round(performance.now() - begin)} ms`)
  })
}
