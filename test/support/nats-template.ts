import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { BusOptions } from '../../protocol/bus/open.ts'
import { type NatsServer, startNats } from './nats.ts'

const template = readFileSync(new URL('../../deploy/nats/nats-server.conf', import.meta.url), 'utf8')
const users: string = new URL('../../deploy/nats/users.js', import.meta.url).pathname

const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] })

/** A CA in a folder, and certificates of it for a server on 127.0.0.1 and for one client. */
export function makeCertificates(folder: string): { ca: string; cert: string; key: string } {
  mkdirSync(folder, { recursive: true })
  const at = (name: string) => join(folder, name)
  const key = (name: string) => openssl('genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', at(`${name}.key`))
  key('ca')
  openssl('req', '-x509', '-new', '-key', at('ca.key'), '-subj', '/O=Lethe/CN=test CA', '-days', '2', '-out', at('ca.pem'))
  for (const [name, use] of [
    ['server', 'serverAuth'],
    ['client', 'clientAuth'],
  ]) {
    key(name)
    openssl('req', '-new', '-key', at(`${name}.key`), '-subj', `/O=Lethe/CN=${name}`, '-out', at(`${name}.csr`))
    writeFileSync(at(`${name}.ext`), `subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=${use}\n`)
    const sign = ['-CA', at('ca.pem'), '-CAkey', at('ca.key'), '-CAcreateserial', '-days', '2', '-extfile', at(`${name}.ext`)]
    openssl('x509', '-req', '-in', at(`${name}.csr`), ...sign, '-out', at(`${name}.pem`))
  }
  const text = (name: string) => readFileSync(at(name), 'utf8')
  return { ca: text('ca.pem'), cert: text('client.pem'), key: text('client.key') }
}

export interface TemplateServer extends NatsServer {
  /** tls://127.0.0.1:port and nats+wss://127.0.0.1:port */
  tlsUrl: string
  wssUrl: string
  /** Makes keys, and users.conf anew, where nobody reads it yet. */
  makeUsers(...names: string[]): void
  removeUser(name: string): void
  /** Gives users.conf to the server, and tells it to read it. */
  installUsers(): void
  /** What a user of the template needs to connect. */
  options(name: string): BusOptions
}

/** A nats-server on the shipped template; only its paths and ports are of the test. */
export async function startTemplate(
  t: { teardown(end: () => unknown): unknown; testdir(): string },
  names: string[],
): Promise<TemplateServer> {
  const folder = t.testdir()
  const tls = makeCertificates(folder)
  const makeUsers = (...more: string[]) => void execFileSync(process.execPath, [users, folder, ...more])
  makeUsers(...names)
  const server = await startNats(t, {
    config: ({ port, wsPort, folder: own }) => {
      cpSync(join(folder, 'users.conf'), join(own, 'users.conf'))
      return template
        .replaceAll('/etc/lethe/nats', folder)
        .replace('/var/lib/lethe-nats', join(own, 'store'))
        .replace('0.0.0.0:4222', `127.0.0.1:${port}`)
        .replace('0.0.0.0:8443', `127.0.0.1:${wsPort}`)
        .replace('http: "127.0.0.1:8222"', '')
    },
  })
  return Object.assign(server, {
    tlsUrl: `tls://127.0.0.1:${server.port}`,
    wssUrl: `nats+wss://127.0.0.1:${server.wsPort}`,
    makeUsers,
    removeUser: (name: string) => {
      rmSync(join(folder, `${name}.seed`))
      makeUsers()
    },
    installUsers: () => {
      cpSync(join(folder, 'users.conf'), join(server.folder, 'users.conf'))
      process.kill(server.pid, 'SIGHUP')
    },
    options: (name: string) => ({ tls, credentials: readFileSync(join(folder, `${name}.seed`), 'utf8') }),
  })
}
