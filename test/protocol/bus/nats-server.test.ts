import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { nkeys } from '@nats-io/nats-core/internal'
import t, { type Test } from 'tap'
import { openBus } from '../../../protocol/bus/open.ts'
import { LetheError } from '../../../protocol/errors.ts'
import { freePorts, startNats } from '../../support/nats.ts'
import { bytes, refused, text, until } from './conformance/substrate.ts'

const greeting = (info: object) => `INFO ${JSON.stringify({ server_id: 'x', headers: true, ...info })}\r\n`

/** Says what a NATS server would say at first, and nothing else. */
async function pretend(t: Test, words: string): Promise<string> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.write(words)
    socket.on('data', (data) => data.includes('PING') && socket.write('PONG\r\n'))
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return `nats://127.0.0.1:${(server.address() as { port: number }).port}`
}

const failure = async (promise: Promise<unknown>): Promise<LetheError> => {
  try {
    await promise
  } catch (error) {
    if (error instanceof LetheError) return error
    throw error
  }
  throw new Error('it did not fail')
}

t.test('what cannot carry the bus is refused with the reason', async (t) => {
  const [port] = await freePorts(1)
  const nobody = await failure(openBus(`nats://127.0.0.1:${port}`))
  t.equal(nobody.code, 'BUS_UNAVAILABLE')
  t.match(nobody.message, `127.0.0.1:${port}`)

  const old = await failure(openBus(await pretend(t, greeting({ version: '2.8.4', max_payload: 1048576 }))))
  t.match(old, { code: 'BUS_UNAVAILABLE', message: /too old/, expected: 'version 2.9 or newer', received: '2.8.4' })
  const small = await failure(openBus(await pretend(t, greeting({ version: '2.11.0-RC.1', max_payload: 65536 }))))
  t.match(small, { code: 'BUS_UNAVAILABLE', message: /too small messages/, received: '65536' })
  const other = await failure(openBus(await pretend(t, 'HTTP/1.1 400 Bad Request\r\n\r\n')))
  t.match(other, { code: 'BUS_UNAVAILABLE', received: 'the words of another kind of server' })
  const silent = await pretend(t, '')
  const begin = performance.now()
  t.equal(await refused(openBus(silent, { connectTimeoutMs: 300 })), 'BUS_UNAVAILABLE')
  t.ok(performance.now() - begin < 3000, 'a server that says nothing')

  const plain = await startNats(t, {
    config: ({ port, wsPort }) => `listen: "127.0.0.1:${port}"\nwebsocket { listen: "127.0.0.1:${wsPort}", no_tls: true }`,
  })
  t.match(await failure(openBus(plain.url)), { code: 'BUS_UNAVAILABLE', hint: /JetStream/ })
})

t.test('credentials', async (t) => {
  const secret = 'correct-horse'
  const user = nkeys.createUser()
  const server = await startNats(t, {
    config: ({ port, wsPort, folder }) => `
listen: "127.0.0.1:${port}"
jetstream { store_dir: "${join(folder, 'store')}" }
websocket { listen: "127.0.0.1:${wsPort}", no_tls: true }
authorization { users: [{ user: lethe, password: "${secret}" }, { nkey: ${user.getPublicKey()} }] }
`,
  })
  const bus = await openBus(server.url, { credentials: `lethe:${secret}\n` })
  t.equal(bus.isConnected, true)
  await bus.close()
  const byKey = await openBus(server.url, { credentials: text(user.getSeed()) as string })
  await (await byKey.keyValue('nkey')).put('a', bytes('1'))
  await byKey.close()
  for (const credentials of [undefined, 'lethe:wrong-secret']) {
    const error = await failure(openBus(server.url, { credentials }))
    t.match(error, { code: 'BUS_UNAVAILABLE', message: credentials ? /does not accept the credentials/ : /none were given/ })
    t.notMatch(JSON.stringify(error.toWire()), /wrong-secret/)
  }
  for (const credentials of ['just-a-word', 'SUAB', '-----BEGIN NATS USER JWT-----\nx'])
    t.match(await failure(openBus(server.url, { credentials })), { code: 'USAGE', message: /none of the known forms/ })
  const inUrl = await failure(openBus(`nats://lethe:${secret}@127.0.0.1:${server.port}`))
  t.equal(inUrl.code, 'USAGE')
  t.notMatch(JSON.stringify(inUrl.toWire()), secret)
  for (const url of ['http://a', 'nats:/a', 'nats://', 'a', 'nats://a,ws://b']) t.equal(await refused(openBus(url)), 'USAGE', url)
})

t.test('a credentials file with a token', async (t) => {
  const [operator, account, system, user] = [nkeys.createOperator(), nkeys.createAccount(), nkeys.createAccount(), nkeys.createUser()]
  type Pair = typeof operator
  const encode = (value: string | Uint8Array) => Buffer.from(value).toString('base64url')
  const token = (issuer: Pair, subject: Pair, nats: object) => {
    const iat = Math.floor(Date.now() / 1000)
    const claims = {
      jti: 'test',
      iat,
      iss: issuer.getPublicKey(),
      name: 'lethe',
      sub: subject.getPublicKey(),
      nats: { ...nats, version: 2 },
    }
    const signed = `${encode(JSON.stringify({ typ: 'JWT', alg: 'ed25519-nkey' }))}.${encode(JSON.stringify(claims))}`
    return `${signed}.${encode(issuer.sign(bytes(signed)))}`
  }
  const all = { subs: -1, data: -1, payload: -1, imports: -1, exports: -1, conn: -1, leaf: -1, wildcards: true }
  const storage = { mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 }
  const accountToken = token(operator, account, { type: 'account', limits: { ...all, ...storage } })
  const server = await startNats(t, {
    config: ({ port, wsPort, folder }) => `
listen: "127.0.0.1:${port}"
jetstream { store_dir: "${join(folder, 'store')}" }
websocket { listen: "127.0.0.1:${wsPort}", no_tls: true }
operator: ${token(operator, operator, { type: 'operator' })}
resolver: MEMORY
system_account: ${system.getPublicKey()}
resolver_preload {
  ${account.getPublicKey()}: ${accountToken}
  ${system.getPublicKey()}: ${token(operator, system, { type: 'account', limits: all })}
}
`,
  })
  const lines = (kind: string, content: string) => `-----BEGIN ${kind}-----\r\n${content}\r\n------END ${kind}------\r\n`
  const userToken = token(account, user, { type: 'user', subs: -1, data: -1, payload: -1 })
  const credentials = `${lines('NATS USER JWT', userToken)}\n${lines('USER NKEY SEED', text(user.getSeed()) as string)}`
  const bus = await openBus(server.url, { credentials })
  t.teardown(() => bus.close())
  const values = await bus.keyValue('creds')
  await values.put('a', bytes('1'))
  t.equal(text((await values.get('a'))?.value), '1')
})

t.test('a server that hangs is noticed, and so is its return', async (t) => {
  const server = await startNats(t)
  const bus = await openBus(server.url)
  t.teardown(() => bus.close())
  const values = await bus.keyValue('values')
  await values.put('a', bytes('1'))
  let heard = ''
  await bus.subscribe('hang', ({ data }) => {
    heard = text(data) as string
  })
  server.stopProcess()
  const begin = performance.now()
  t.ok(await until(() => !bus.isConnected))
  const noticedMs = performance.now() - begin
  t.ok(noticedMs < 6000, `noticed after ${Math.round(noticedMs)} ms`)
  server.continueProcess()
  t.ok(await until(() => bus.isConnected))
  t.equal(text((await values.get('a'))?.value), '1')
  bus.publish('hang', bytes('again'))
  t.ok(await until(() => heard === 'again'))
})
