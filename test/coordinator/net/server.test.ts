import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import t from 'tap'
import { WebSocket } from 'ws'
import { listen, type ServerOptions } from '../../../coordinator/net/server.ts'
import { openBus } from '../../../protocol/bus/open.ts'
import { LetheError } from '../../../protocol/errors.ts'
import { memberHeader, protocolVersion, versionHeader } from '../../../protocol/socket.ts'

const key = 'k'.repeat(64)

const start = (options: Partial<ServerOptions> = {}) =>
  listen({
    host: '127.0.0.1',
    port: 0,
    tls: undefined,
    refusal: (given) => (given === 'secret' ? null : new LetheError('CONNECTION_TOKEN', { message: 'no' })),
    onBus: (socket) => socket.close(),
    isExpected: (memberKey) => memberKey === key,
    onBulk: (socket) => socket.close(1008),
    ...options,
  })

/** A socket that does not close its end. */
async function stranger(url: string, text: string): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port: Number(new URL(url).port), allowHalfOpen: true })
  socket.on('error', () => {})
  await once(socket, 'connect')
  socket.write(text)
  return socket
}

const upgrade = (path: string, ...headers: string[]) =>
  [`GET ${path} HTTP/1.1`, 'Host: a', 'Connection: Upgrade', 'Upgrade: websocket', ...headers, '', ''].join('\r\n')

t.test('strangers that keep their socket do not keep the server', async (t) => {
  const server = await start()
  const sockets = [await stranger(server.url, upgrade('/bus')), await stranger(server.url, ''), await stranger(server.url, 'GET / HT')]
  const [answer] = await once(sockets[0], 'data')
  t.match(String(answer), /^HTTP\/1\.1 401 /)
  const before = performance.now()
  await server.close()
  t.ok(performance.now() - before < 3000)
  for (const socket of sockets) socket.destroy()
})

t.test('strangers that say nothing, or never end, lose their socket', async (t) => {
  const server = await start({ requestMs: 300 })
  t.teardown(() => server.close())
  const sockets = [
    await stranger(server.url, ''),
    await stranger(server.url, 'GET / HT'),
    await stranger(server.url, upgrade('/bus').slice(0, -2)),
  ]
  const slow = setInterval(() => sockets[2].write('X-A: b\r\n'), 100)
  const began = performance.now()
  t.teardown(() => clearInterval(slow))
  // Whoever still writes when the server parts may get a reset instead of an end.
  const isLost = (socket: Socket) =>
    new Promise<void>((resolve) => {
      for (const event of ['end', 'error', 'close']) socket.on(event, () => resolve())
      socket.resume()
    })
  await Promise.all(sockets.map(isLost))
  clearInterval(slow)
  t.ok(performance.now() - began < 5000)
  for (const socket of sockets) socket.destroy()
})

t.test('an error of a refused bulk socket ends nothing', async (t) => {
  const server = await start()
  t.teardown(() => server.close())
  const bulk = new WebSocket(`${server.url}/bulk`, { headers: { [memberHeader]: key, [versionHeader]: String(protocolVersion) } })
  bulk.on('error', () => {})
  bulk.on('upgrade', ({ socket }) => socket.write(Buffer.from([0xff, 0xff, 0xff, 0xff])))
  await once(bulk, 'close')
  t.pass('a frame that is no frame, and the process lives')
})

t.test('pings of a peer that does not read cost nothing', async (t) => {
  let peer: WebSocket | undefined
  const server = await start({
    onBus: (socket) => {
      peer = socket
    },
  })
  t.teardown(() => server.close())
  const request = upgrade('/bus', 'Authorization: Bearer secret', `${versionHeader}: ${protocolVersion}`, 'Sec-WebSocket-Version: 13')
  const socket = await stranger(server.url, request.replace(/\r\n$/, 'Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n'))
  await once(socket, 'data')
  socket.pause()
  const ping = Buffer.concat([Buffer.from([0x89, 0xfd, 0, 0, 0, 0]), Buffer.alloc(125)])
  const pings = Buffer.concat(Array(1000).fill(ping))
  for (let sent = 0; sent < 200 && peer?.readyState === WebSocket.OPEN; sent++) {
    if (!socket.write(pings)) await Promise.race([once(socket, 'drain'), once(socket, 'close'), once(socket, 'error')]).catch(() => {})
    t.ok((peer?.bufferedAmount ?? 0) < 32 * 1024 * 1024)
  }
  t.not(peer?.readyState, WebSocket.OPEN, 'it is cut off')
  socket.destroy()
})

t.test('a worker that should come through NATS is told where', async (t) => {
  const server = await start({ onBus: null, busUrl: 'tls://nats.example:4222' })
  t.teardown(() => server.close())
  await t.rejects(openBus(server.url, { token: 'secret' }), {
    code: 'CONNECTION_REFUSED',
    message: /takes workers through NATS/,
    hint: 'Start the worker with --bus tls://nats.example:4222.',
  })
  await t.rejects(openBus(server.url, { token: 'wrong' }), { code: 'CONNECTION_TOKEN' }, 'a stranger is not')
})
