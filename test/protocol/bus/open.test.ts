import { once } from 'node:events'
import { createServer } from 'node:http'
import t from 'tap'
import { openBus } from '../../../protocol/bus/open.ts'
import { LetheError } from '../../../protocol/errors.ts'
import { freePorts } from '../../support/nats.ts'

t.test('the first connection fails with the coordinator’s own reason', async (t) => {
  const refusal = new LetheError('CONNECTION_TOKEN', { message: 'the coordinator does not know this token' })
  let answer = JSON.stringify(refusal.toWire())
  const asked: string[] = []
  const server = createServer()
  server.on('upgrade', (request, socket) => {
    asked.push(`${request.url} ${request.headers.authorization} ${request.headers.extra}`)
    socket.on('error', () => {})
    socket.end(`HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: ${Buffer.byteLength(answer)}\r\n\r\n${answer}`)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => server.close())
  const url = `ws://127.0.0.1:${(server.address() as { port: number }).port}`
  await t.rejects(openBus(url, { token: 'abc', headers: { extra: 'yes' } }), { code: 'CONNECTION_TOKEN', message: refusal.message })
  t.same(asked, ['/bus Bearer abc yes'])
  answer = 'nonsense'
  await t.rejects(openBus(url), { code: 'CONNECTION_REFUSED', received: 'HTTP status 401' })
  answer = 'x'.repeat(1_000_000)
  await t.rejects(openBus(url), { code: 'CONNECTION_REFUSED' }, 'an endless refusal is cut')
  const [port] = await freePorts(1)
  await t.rejects(openBus(`ws://127.0.0.1:${port}`), { code: 'CONNECTION_REFUSED' })
})
