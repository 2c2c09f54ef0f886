import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import t from 'tap'
import { clientMessage } from '../../protocol/bus/embedded/wire.ts'
import { decodeMessage, encodeMessage } from '../../protocol/frame.ts'
import { upPacket } from '../../protocol/messages.ts'
import { Chance } from '../simulator/chance.ts'
import { operation, packet } from './examples.ts'
import { attackAsStranger, attackByWaiting } from './strangers.ts'
import { malformed, write } from './wild.ts'

/* Would the fuzzer notice? */

const known = { cluster: 'default', runId: '0'.repeat(64), epoch: 1, workers: ['w1'] }

t.test('a seed says everything', async (t) => {
  const messages = (seed: number) => {
    const chance = new Chance(seed, 0)
    return Array.from({ length: 300 }, () => malformed(chance, packet(chance, known)).toString('base64'))
  }
  t.strictSame(messages(1), messages(1))
  t.notSame(messages(1), messages(2))
})

t.test('what is spoiled was right before, and is wrong after', async (t) => {
  const chance = new Chance(3, 0)
  let refused = 0
  for (let i = 0; i < 1000; i++) {
    const [one, schema] = i % 2 ? [packet(chance, known), upPacket] : [operation(chance, known), clientMessage]
    t.same(decodeMessage(write(one), schema), decodeMessage(encodeMessage(one), schema))
    try {
      decodeMessage(malformed(chance, one), schema)
    } catch {
      refused += 1
    }
  }
  t.ok(refused > 850, `${refused} of 1000 are refused`)
  t.ok(refused < 1000, 'and some are only just right')
})

t.test('a server that tells, lets in or keeps strangers is found', async (t) => {
  const server = createServer((_request, response) => response.end())
  server.on('upgrade', (request, socket) => {
    if (request.url === '/bus') socket.end('HTTP/1.1 401 Unauthorized\r\nlethe-protocol: 2\r\n\r\n')
    else if (request.url === '/bulk') socket.end('HTTP/1.1 101 Switching Protocols\r\n\r\n')
    else socket.end('HTTP/1.1 401 Unauthorized\r\n\r\nrun secret-name\r\n')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { violations } = await attackAsStranger('leaky', (server.address() as AddressInfo).port, 500, 1, ['secret-name'])
  for (const found of ['lethe-protocol: 2', '101 Switching', 'secret-name'])
    t.ok(
      violations.some((violation) => violation.includes(found)),
      found,
    )

  const patient = createTcpServer({ allowHalfOpen: true }, (socket) => socket.on('error', () => {}).resume())
  patient.listen(0, '127.0.0.1')
  await once(patient, 'listening')
  t.teardown(() => patient.close())
  t.equal(await attackByWaiting((patient.address() as AddressInfo).port, 8, 300), 8, 'sockets that are kept')
})
