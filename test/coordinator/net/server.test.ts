import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import t from 'tap'
import { WebSocket } from 'ws'
import { listen } from '../../../coordinator/net/server.ts'
import { protocolVersion } from '../../../protocol/socket.ts'

const token = 'secret'
const start = () => listen({ host: '127.0.0.1', port: 0, token, onControl() {}, onBulk: () => false })

/** A socket that does not close its end. */
async function stranger(url: string, text: string): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port: Number(new URL(url).port), allowHalfOpen: true })
  socket.on('error', () => {})
  await once(socket, 'connect')
  socket.write(text)
  return socket
}

t.test('strangers that keep their socket do not keep the server', async (t) => {
  const server = await start()
  const upgrade = 'GET /control HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'
  const sockets = [await stranger(server.url, upgrade), await stranger(server.url, ''), await stranger(server.url, 'GET / HT')]
  const [answer] = await once(sockets[0], 'data')
  t.match(String(answer), /^HTTP\/1\.1 401 /)
  const before = performance.now()
  await server.close()
  t.ok(performance.now() - before < 3000)
  for (const socket of sockets) socket.destroy()
})

t.test('an error of a refused bulk socket ends nothing', async (t) => {
  const server = await start()
  t.teardown(() => server.close())
  const bulk = new WebSocket(`${server.url}/bulk`, {
    headers: { authorization: `Bearer ${token}`, 'lethe-protocol': String(protocolVersion) },
  })
  bulk.on('error', () => {})
  bulk.on('upgrade', ({ socket }) => socket.write(Buffer.from([0xff, 0xff, 0xff, 0xff])))
  const closed = once(bulk, 'close')
  await closed
  t.pass('a frame that is no frame, and the process lives')
})
