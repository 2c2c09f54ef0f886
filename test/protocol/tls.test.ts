import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { connect } from 'node:tls'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { LetheError } from '../../protocol/errors.ts'
import {
  assertSecure,
  assertSecureListener,
  clientTls,
  hasCertificate,
  readTlsFiles,
  serverTls,
  type TlsFiles,
} from '../../protocol/tls.ts'
import { makeAuthority, makeCertificate, pemTexts } from '../support/certificates.ts'

const folder = t.testdir({ 'empty.pem': '', 'text.pem': 'no certificate' })
const at = (name: string) => join(folder, name)
const authority = makeAuthority(folder, 'authority')
const stranger = makeAuthority(folder, 'stranger')
const server = makeCertificate(folder, authority, 'server')
const worker = makeCertificate(folder, authority, 'worker')
const strangersWorker = makeCertificate(folder, stranger, 'strangers-worker')

/** A WebSocket server with these files that says hello; how `client` fares with it. */
async function listen(t: Test, tls: TlsFiles): Promise<(client: TlsFiles | undefined, host?: string) => Promise<string>> {
  if (!hasCertificate(tls)) throw new Error('a server needs a certificate')
  const http = createServer(serverTls(tls))
  const sockets = new WebSocketServer({ server: http })
  sockets.on('connection', (socket) => {
    socket.on('error', () => {})
    socket.send('hello')
  })
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  t.teardown(() => {
    for (const socket of sockets.clients) socket.terminate()
    http.close()
  })
  const { port } = http.address() as AddressInfo
  return (client, host = '127.0.0.1') =>
    new Promise((resolve) => {
      const socket = new WebSocket(`wss://${host}:${port}`, {
        ...clientTls(client),
        lookup: (_host, _options, done) => done(null, [{ address: '127.0.0.1', family: 4 }]),
      })
      socket.once('message', (data) => {
        resolve(String(data))
        socket.close()
      })
      socket.once('error', (error: NodeJS.ErrnoException) => resolve(`${error.code} ${error.message}`))
    })
}

t.test('a client knows the server by its authority', async (t) => {
  const dial = await listen(t, pemTexts(undefined, server))
  t.equal(await dial(pemTexts(authority.cert)), 'hello')
  t.match(await dial(pemTexts(stranger.cert)), /UNABLE_TO|SELF_SIGNED/, 'wrong authority')
  t.match(await dial(undefined), /UNABLE_TO|SELF_SIGNED/, 'the authorities of the system')
  t.match(await dial(pemTexts(authority.cert), 'elsewhere.example'), 'ERR_TLS_CERT_ALTNAME_INVALID', 'right authority, another name')
})

t.test('with an authority, the server demands a certificate of the client', async (t) => {
  const dial = await listen(t, pemTexts(authority.cert, server))
  t.equal(await dial(pemTexts(authority.cert, worker)), 'hello')
  t.match(await dial(pemTexts(authority.cert)), /certificate required|ECONNRESET|socket hang up/i, 'none')
  t.match(
    await dial(pemTexts(authority.cert, strangersWorker)),
    /unknown ca|bad certificate|ECONNRESET|socket hang up/i,
    'of another authority',
  )
})

t.test('nothing older than TLS 1.3 is accepted', async (t) => {
  const http = createServer(serverTls(pemTexts(undefined, server) as Required<TlsFiles>))
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  t.teardown(() => http.close())
  const { port } = http.address() as AddressInfo
  const version = (maxVersion: 'TLSv1.2' | 'TLSv1.3') =>
    new Promise((resolve) => {
      const socket = connect({ host: '127.0.0.1', port, ca: readFileSync(authority.cert), maxVersion })
      socket.once('secureConnect', () => {
        resolve(socket.getProtocol())
        socket.destroy()
      })
      socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code))
    })
  t.equal(await version('TLSv1.3'), 'TLSv1.3')
  t.match(await version('TLSv1.2'), /PROTOCOL_VERSION/)
})

t.test('files that are read', async (t) => {
  const pair = { cert: server.cert, key: server.key }
  t.equal(readTlsFiles({}), undefined)
  t.same(readTlsFiles({ ca: authority.cert, ...pair }), pemTexts(authority.cert, server))
  t.same(readTlsFiles({ ca: authority.cert }), pemTexts(authority.cert))
  t.notOk(hasCertificate(readTlsFiles({ ca: authority.cert })))

  const refused = (files: { ca?: string; cert?: string; key?: string }, message: RegExp, now?: number) =>
    t.throws(() => readTlsFiles(files, now), { code: 'USAGE', message }, String(message))
  refused({ cert: server.cert }, /--tls-key is missing/)
  refused({ key: server.key }, /--tls-cert is missing/)
  refused({ ca: at('nowhere.pem') }, /certificate authority .*nowhere.pem cannot be read/)
  refused({ ca: folder }, /cannot be read/)
  refused({ ca: at('empty.pem') }, /is empty/)
  refused({ ca: '/dev/zero' }, /too large/)
  refused({ ca: at('text.pem') }, /cannot be used/)
  refused({ ca: server.key }, /cannot be used/)
  refused({ cert: server.cert, key: worker.key }, /private key .* cannot be used/)
  refused({ cert: server.cert, key: server.cert }, /private key .* cannot be used/)
  t.throws(() => readTlsFiles(pair, Date.now() + 3 * 86_400_000), { code: 'USAGE', received: /expired since/ })
})

t.test('whatever is in a file, a refusal and no crash', async (t) => {
  const pems = [readFileSync(authority.cert, 'utf8'), readFileSync(server.key, 'utf8')]
  const garbage = fc.oneof(
    fc.string({ maxLength: 200, unit: 'binary' }),
    fc.base64String({ maxLength: 800 }).map((text) => `-----BEGIN CERTIFICATE-----\n${text}\n-----END CERTIFICATE-----\n`),
    fc
      .tuple(fc.constantFrom(...pems), fc.nat(), fc.string({ maxLength: 4 }))
      .map(([pem, at, text]) => pem.slice(0, at % pem.length) + text + pem.slice((at % pem.length) + text.length + 1)),
  )
  const file = at('garbage.pem')
  const outcome = (files: { ca?: string; cert?: string; key?: string }) => {
    try {
      return readTlsFiles(files) !== undefined
    } catch (error) {
      return error instanceof LetheError && error.code === 'USAGE'
    }
  }
  let tried = 0
  fc.assert(
    fc.property(garbage, (text) => {
      tried++
      writeFileSync(file, text)
      return outcome({ ca: file }) && outcome({ cert: file, key: server.key }) && outcome({ cert: server.cert, key: file })
    }),
    { numRuns: 300 },
  )
  t.equal(tried, 300)
})

t.test('an error says nothing of a key', async (t) => {
  const lines = readFileSync(server.key, 'utf8').split('\n')
  writeFileSync(at('damaged.key'), [lines[0], lines[1], 'x', ...lines.slice(2)].join('\n'))
  try {
    readTlsFiles({ cert: server.cert, key: at('damaged.key') })
    t.fail('refused')
  } catch (error) {
    t.notMatch(`${(error as LetheError).format()} ${(error as Error).stack} ${(error as Error).cause}`, lines[1])
  }
})

t.test('plain addresses stay on this machine', async (t) => {
  for (const url of [
    'ws://127.0.0.1:1',
    'ws://localhost:1',
    'ws://LOCALHOST',
    'ws://[::1]:1',
    'nats://127.8.9.10:4222',
    'nats://[::1]:4222',
    'nats+ws://localhost:1',
    'ws://127.1:1',
  ])
    t.doesNotThrow(() => assertSecure(url, { insecure: false }), url)
  for (const url of [
    'wss://10.0.0.5:7777',
    'tls://nats.example:4222',
    'nats+wss://nats.example',
    'wss://127.0.0.1',
    'tls://a.example:4222, tls://b.example:4222',
  ])
    t.doesNotThrow(() => assertSecure(url, { insecure: false }), url)
  const plain = [
    'ws://10.0.0.5:7777',
    'nats://nats.example:4222',
    'nats+ws://nats.example',
    'ws://127.0.0.1.example.com',
    'ws://localhost.example.com',
    'ws://[::2]',
    'ws://0.0.0.0:1',
    'ws://localhost:x@example.com',
    'nats://127.0.0.1@example.com:4222',
    'http://example.com',
    'ftp://example.com',
    'nats://example.com\\@127.0.0.1',
    'nats://127.0.0.1:4222,nats://b.example:4222',
  ]
  for (const url of plain) {
    t.throws(() => assertSecure(url, { insecure: false }), { code: 'CONNECTION_INSECURE' }, url)
    t.doesNotThrow(() => assertSecure(url, { insecure: true }), url)
  }
  t.throws(() => assertSecure('nats.example:x/', { insecure: false }), LetheError)
  try {
    assertSecure('nats://user:hunter2@nats.example:4222', { insecure: false })
    t.fail('refused')
  } catch (error) {
    t.notMatch((error as LetheError).format(), 'hunter2')
  }
})

t.test('listening beyond this machine takes a certificate', async (t) => {
  const tls = pemTexts(undefined, server)
  for (const host of ['127.0.0.1', '::1', 'localhost'])
    t.doesNotThrow(() => assertSecureListener(host, { tls: undefined, insecure: false }), host)
  for (const host of ['0.0.0.0', '::', '10.0.0.5', 'coordinator.example', '']) {
    t.throws(() => assertSecureListener(host, { tls: undefined, insecure: false }), { code: 'CONNECTION_INSECURE' }, host)
    t.throws(
      () => assertSecureListener(host, { tls: pemTexts(authority.cert), insecure: false }),
      { code: 'CONNECTION_INSECURE' },
      'an authority is no certificate',
    )
    t.doesNotThrow(() => assertSecureListener(host, { tls, insecure: false }), host)
    t.doesNotThrow(() => assertSecureListener(host, { tls: undefined, insecure: true }), host)
  }
})
