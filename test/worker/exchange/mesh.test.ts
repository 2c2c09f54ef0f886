import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import t from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { z } from 'zod'
import { sha256 } from '../../../protocol/digest.ts'
import { decodeMessage, encodeMessage } from '../../../protocol/frame.ts'
import type { MeshBulk, MeshMessage } from '../../../protocol/messages.ts'
import { memberHeader, peerPath, protocolVersion, segmentBytes, versionHeader } from '../../../protocol/socket.ts'
import { transferFrames } from '../../../protocol/transfer.ts'
import { Mesh, type MeshOptions } from '../../../worker/exchange/mesh.ts'
import { makeAuthority, makeCertificate, pemTexts } from '../../support/certificates.ts'
import { runId } from '../../support/exchange-circle.ts'

const meshKey = 'f'.repeat(64)
const message = (step = 0): MeshMessage => ({ type: 'share', runId, epoch: 1, step, start: 0, encoding: 'f32' })
const pattern = Uint8Array.from({ length: 251 * 64 * 1024 }, (_, i) => (i * 31) % 251)
const payloadOf = (length: number, seed = 1) => pattern.slice(seed, seed + length)

interface Arrival {
  from: string
  message: MeshBulk
  digest: string
}

type Tester = { teardown(work: () => unknown): unknown }

/** A mesh that writes down what comes and what is relayed. */
async function openMesh(t: Tester, self: string, options: Partial<MeshOptions> = {}) {
  const arrived: Arrival[] = []
  const relayed: { to: string; step: number; bytes: number }[] = []
  const notices: string[] = []
  const waiting: (() => void)[] = []
  const wake = () => waiting.splice(0).forEach((resolve) => resolve())
  const mesh = await Mesh.listen({
    ...{ host: '127.0.0.1', port: 0, meshKey, self },
    onTransfer: (from, message, payload) => {
      arrived.push({ from, message, digest: sha256(payload) })
      wake()
    },
    limit: () => 64 * 2 ** 20,
    relay: async (to, { step }, payload) => {
      relayed.push({ to, step, bytes: payload.byteLength })
      wake()
    },
    onNotice: (notice) => notices.push(notice),
    ...options,
  })
  t.teardown(() => mesh.close())
  const until = async (isDone: () => boolean) => {
    while (!isDone()) await new Promise<void>((resolve) => waiting.push(resolve))
  }
  return { mesh, arrived, relayed, notices, until }
}

const headers = { authorization: `Bearer ${meshKey}`, [versionHeader]: String(protocolVersion), [memberHeader]: 'x' }

t.test('transfers of any length, in both directions, over sockets that either has dialled', async (t) => {
  const a = await openMesh(t, 'a')
  const b = await openMesh(t, 'b')
  a.mesh.setPeers([
    { worker: 'a', url: a.mesh.url },
    { worker: 'b', url: b.mesh.url },
  ])
  // b is told no address, as behind NAT: it has what a dialled.
  b.mesh.setPeers([{ worker: 'a', url: null }])
  await b.mesh.send('a', message(), payloadOf(10))
  t.strictSame(b.relayed, [{ to: 'a', step: 0, bytes: 10 }], 'before anyone has dialled')
  const lengths = [0, 1, 1000, segmentBytes, segmentBytes + 1, 3 * segmentBytes + 5]
  await Promise.all(
    lengths.flatMap((length, i) => [a.mesh.send('b', message(i), payloadOf(length)), a.mesh.send('b', message(i), payloadOf(length, 2))]),
  )
  await Promise.all(lengths.map((length, i) => b.mesh.send('a', message(i), payloadOf(length, 3))))
  const wanted = (seeds: number[]) => lengths.flatMap((length, i) => seeds.map((seed) => `${i} ${sha256(payloadOf(length, seed))}`)).sort()
  const got = (arrived: Arrival[]) => arrived.map(({ message, digest }) => `${message.step} ${digest}`).sort()
  t.strictSame(got(b.arrived), wanted([1, 2]))
  t.strictSame(got(a.arrived), wanted([3]))
  t.ok(b.arrived.every(({ from }) => from === 'a') && a.arrived.every(({ from }) => from === 'b'))
  t.equal(b.relayed.length, 1)
  t.strictSame(a.relayed, [])
})

/** A worker by hand: takes what is sent, and gives credit only when told. */
async function byHand(t: Tester, name = 'b') {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', path: peerPath })
  t.teardown(() => {
    for (const client of server.clients) client.terminate()
    server.close()
  })
  await once(server, 'listening')
  server.on('headers', (lines) => lines.push(`${memberHeader}: ${name}`))
  const frames: number[] = []
  server.on('connection', (socket) => socket.on('message', (data: Buffer) => frames.push(data.byteLength)))
  return { url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`, server, frames }
}

const credit = (credit: number) => encodeMessage({ credit })

t.test('never more than the window without credit', async (t) => {
  const hand = await byHand(t)
  const a = await openMesh(t, 'a', { sockets: 1 })
  a.mesh.setPeers([{ worker: 'b', url: hand.url }])
  let isDone = false
  const sending = a.mesh.send('b', message(), new Uint8Array(11 * segmentBytes)).then(() => {
    isDone = true
  })
  while (hand.frames.length < 8) await sleep(5)
  await sleep(100)
  t.equal(hand.frames.length, 8, 'the window')
  const [socket] = hand.server.clients
  socket.send(credit(2))
  while (hand.frames.length < 10) await sleep(5)
  await sleep(50)
  t.equal(hand.frames.length, 10)
  socket.send(credit(8))
  while (hand.frames.length < 11) await sleep(5)
  t.notOk(isDone, 'the last segment has no credit yet')
  socket.send(credit(1))
  await sending
  t.strictSame(a.relayed, [])
})

t.test('large transfers are dealt to several sockets, small ones need but one', async (t) => {
  const hand = await byHand(t)
  const perSocket: number[] = []
  hand.server.on('connection', (socket) => {
    const index = perSocket.push(0) - 1
    socket.on('message', () => {
      perSocket[index] += 1
      socket.send(credit(1))
    })
  })
  const a = await openMesh(t, 'a', { sockets: 3 })
  a.mesh.setPeers([{ worker: 'b', url: hand.url }])
  for (let step = 0; step < 5; step++) await a.mesh.send('b', message(step), payloadOf(1000))
  t.strictSame(perSocket, [5])
  while (perSocket.length < 3) await a.mesh.send('b', message(), payloadOf(segmentBytes))
  await Promise.all(Array.from({ length: 30 }, (_, step) => a.mesh.send('b', message(step), payloadOf(segmentBytes))))
  t.equal(perSocket.length, 3)
  t.ok(
    perSocket.every((count) => count >= 8),
    `${perSocket}`,
  )
})

t.test('credit for what was not sent, and a receiver that takes nothing, end the socket; the coordinator relays', async (t) => {
  for (const answer of [(socket: WebSocket) => socket.send(credit(8)), (socket: WebSocket) => socket.send('text'), () => {}]) {
    const hand = await byHand(t)
    hand.server.on('connection', (socket) => socket.once('message', () => answer(socket)))
    const a = await openMesh(t, 'a', { sockets: 1, stallMs: 200 })
    a.mesh.setPeers([{ worker: 'b', url: hand.url }])
    await a.mesh.send('b', message(7), payloadOf(100))
    t.strictSame(a.relayed, [{ to: 'b', step: 7, bytes: 100 }])
  }
})

/** Listens and never answers, as a port behind a firewall that swallows. */
async function blackHole(t: Tester): Promise<string> {
  const held: Socket[] = []
  const server = createServer((socket) => held.push(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of held) socket.destroy()
    server.close()
  })
  return `ws://127.0.0.1:${(server.address() as AddressInfo).port}`
}

t.test('who cannot be reached is sent to through the coordinator, and directly again when it can', async (t) => {
  const spare = await openMesh(t, 'spare')
  const refusing = spare.mesh.url as string
  await spare.mesh.close()
  for (const url of [refusing, await blackHole(t), 'http://127.0.0.1:1', 'nonsense']) {
    const a = await openMesh(t, 'a', { patienceMs: 300, retryMs: 100 })
    a.mesh.setPeers([{ worker: 'b', url }])
    const startedAt = performance.now()
    await Promise.all([0, 1, 2].map((step) => a.mesh.send('b', message(step), payloadOf(50))))
    t.ok(performance.now() - startedAt < 1000, `${url}: ${Math.round(performance.now() - startedAt)} ms`)
    t.strictSame(
      a.relayed.map(({ step }) => step),
      [0, 1, 2],
    )
    const again = performance.now()
    await a.mesh.send('b', message(3), payloadOf(50))
    t.ok(performance.now() - again < 100, 'it is not waited for twice')
    t.equal(a.notices.length, 1)
  }
  const a = await openMesh(t, 'a', { patienceMs: 200, retryMs: 50 })
  a.mesh.setPeers([{ worker: 'b', url: refusing }])
  await a.mesh.send('b', message(1), payloadOf(50))
  const b = await openMesh(t, 'b', { port: Number(new URL(refusing).port) })
  for (let step = 2; b.arrived.length === 0 && step < 100; step++) {
    await sleep(20)
    await a.mesh.send('b', message(step), payloadOf(50))
  }
  t.equal(b.arrived.length, 1)
  t.match(a.notices, [/through the coordinator/, /directly again/])
})

t.test('another worker at the address of one that has gone gets nothing', async (t) => {
  const c = await openMesh(t, 'c')
  const a = await openMesh(t, 'a', { patienceMs: 200 })
  a.mesh.setPeers([{ worker: 'b', url: c.mesh.url }])
  await a.mesh.send('b', message(), payloadOf(50))
  t.strictSame(c.arrived, [])
  t.equal(a.relayed.length, 1)
})

/** A TCP proxy that can be cut. */
async function proxy(t: Tester, target: string) {
  const pairs = new Set<Socket>()
  const state = { bytes: 0, cutAt: Number.POSITIVE_INFINITY, cuts: 0 }
  const cut = () => {
    for (const socket of pairs) socket.destroy()
    pairs.clear()
  }
  const server: Server = createServer((inner) => {
    const outer = connect(Number(new URL(target).port), '127.0.0.1')
    for (const [one, other] of [
      [inner, outer],
      [outer, inner],
    ]) {
      pairs.add(one)
      one.on('error', () => {})
      one.on('close', () => other.destroy())
      one.on('data', (chunk) => {
        state.bytes += chunk.length
        if (state.bytes > state.cutAt) {
          state.cutAt += 16 * 2 ** 20
          state.cuts += 1
          cut()
        } else other.write(chunk)
      })
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    cut()
    server.close()
  })
  return { url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`, state, cut }
}

t.test('a connection that breaks again and again: everything arrives, directly or by relay', async (t) => {
  const b = await openMesh(t, 'b')
  const between = await proxy(t, b.mesh.url as string)
  between.state.cutAt = 2 * 2 ** 20
  const a = await openMesh(t, 'a')
  a.mesh.setPeers([{ worker: 'b', url: between.url }])
  const steps = Array.from({ length: 12 }, (_, i) => i)
  await Promise.all(steps.map((step) => a.mesh.send('b', message(step), payloadOf(3 * 2 ** 20, step))))
  const there = new Set([...b.arrived.map(({ message }) => message.step), ...a.relayed.map(({ step }) => step)])
  t.equal(there.size, 12)
  t.ok(between.state.cuts >= 2, `${between.state.cuts} cuts, ${a.relayed.length} relayed`)
  t.ok(b.arrived.every(({ message, digest }) => digest === sha256(payloadOf(3 * 2 ** 20, message.step))))
  t.ok(b.arrived.length >= 2, `${b.arrived.length} of it directly`)
})

t.test('what is for a worker that has left goes nowhere', async (t) => {
  const hand = await byHand(t)
  const a = await openMesh(t, 'a')
  a.mesh.setPeers([{ worker: 'b', url: hand.url }])
  const sending = a.mesh.send('b', message(), payloadOf(100))
  while (hand.frames.length === 0) await sleep(5)
  a.mesh.setPeers([])
  await sending
  t.strictSame(a.relayed, [])
  await a.mesh.send('b', message(1), payloadOf(100))
  t.equal(a.relayed.length, 1, 'whom it does not know, the coordinator may')
  await a.mesh.close()
  await t.rejects(a.mesh.send('b', message(2), payloadOf(100)), { code: 'CONNECTION_REFUSED' })
})

t.test('strangers are refused in the upgrade', async (t) => {
  const { mesh } = await openMesh(t, 'a')
  const statusFor = async (path: string, changed: Record<string, string | undefined>) => {
    const given = Object.fromEntries(
      Object.entries({ ...headers, ...changed }).filter((entry): entry is [string, string] => entry[1] !== undefined),
    )
    const socket = new WebSocket(`${mesh.url}${path}`, { headers: given })
    socket.on('error', () => {})
    const status = await Promise.race([
      once(socket, 'unexpected-response').then(([, response]) => response.statusCode),
      once(socket, 'open').then(() => 101),
    ])
    socket.terminate()
    return status
  }
  t.equal(await statusFor(peerPath, {}), 101)
  t.equal(await statusFor(peerPath, { authorization: undefined }), 401)
  t.equal(await statusFor(peerPath, { authorization: `Bearer ${'e'.repeat(64)}` }), 401)
  t.equal(await statusFor(peerPath, { [versionHeader]: '999' }), 426)
  t.equal(await statusFor('/other', {}), 404)
  t.equal(await statusFor(peerPath, { [memberHeader]: undefined }), 404)
  t.equal(await statusFor(peerPath, { [memberHeader]: 'x'.repeat(500) }), 404)
  await t.rejects(openMesh(t, 'b', { port: Number(new URL(mesh.url as string).port) }), { code: 'CONNECTION_PORT' })
})

t.test('garbage from a member closes its socket and nothing else', async (t) => {
  const a = await openMesh(t, 'a', { limit: () => 1000 })
  const b = await openMesh(t, 'b')
  b.mesh.setPeers([{ worker: 'a', url: a.mesh.url }])
  const [[head, body]] = [...transferFrames(message(), payloadOf(500))]
  const frame = Buffer.concat([head, body])
  const garbage = fc.oneof(
    { weight: 2, arbitrary: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)) },
    {
      weight: 4,
      arbitrary: fc
        .tuple(fc.nat({ max: frame.length - 1 }), fc.integer({ min: 1, max: 255 }), fc.integer({ min: 1, max: frame.length }))
        .map(([at, flip, length]) => {
          const bytes = Buffer.from(frame)
          bytes[at] ^= flip
          return bytes.subarray(0, length)
        }),
    },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        Buffer.concat([...transferFrames(message(), payloadOf(2000))][0]),
        Buffer.from(encodeMessage({ credit: 9 })),
      ),
    },
  )
  await fc.assert(
    fc.asyncProperty(garbage, async (bytes) => {
      const socket = new WebSocket(`${a.mesh.url}${peerPath}`, { headers })
      socket.on('error', () => {})
      await once(socket, 'open')
      const ended = once(socket, 'close').then(() => 'closed')
      const answered = once(socket, 'message').then(([data]) => {
        decodeMessage(data, z.strictObject({ credit: z.literal(1) }))
        return 'credit'
      })
      socket.send(bytes)
      const result = await Promise.race([ended, answered])
      socket.terminate()
      return result === 'closed' || bytes.length === frame.length
    }),
    { numRuns: 300 },
  )
  await b.mesh.send('a', message(3), payloadOf(900))
  t.equal(a.arrived.at(-1)?.message.step, 3)
  // A flip in the step, say, gives another valid message; the payload is what was sent.
  t.ok(a.arrived.slice(0, -1).every(({ digest }) => digest === sha256(payloadOf(500))))
  t.ok(a.notices.length > 100)
})

t.test('TLS with certificates on both sides', async (t) => {
  const folder = t.testdir()
  const authority = makeAuthority(folder, 'authority')
  const other = makeAuthority(folder, 'other')
  const tls = pemTexts(authority.cert, makeCertificate(folder, authority, 'worker'))
  const a = await openMesh(t, 'a', { tls, patienceMs: 500 })
  const b = await openMesh(t, 'b', { tls })
  t.match(b.mesh.url, /^wss:/)
  a.mesh.setPeers([{ worker: 'b', url: b.mesh.url }])
  await a.mesh.send('b', message(), payloadOf(2 * segmentBytes))
  t.equal(b.arrived[0].digest, sha256(payloadOf(2 * segmentBytes)))
  const stranger = await openMesh(t, 's', { tls: pemTexts(authority.cert, makeCertificate(folder, other, 'stranger')), patienceMs: 500 })
  stranger.mesh.setPeers([{ worker: 'b', url: b.mesh.url }])
  await stranger.mesh.send('b', message(), payloadOf(10))
  t.equal(stranger.relayed.length, 1, 'a certificate of another authority does not get in')
  t.equal(b.arrived.length, 1)
})

t.test('an address of its own is told as it was given', async (t) => {
  const a = await openMesh(t, 'a', { url: 'wss://worker.example:9000' })
  t.equal(a.mesh.url, 'wss://worker.example:9000')
  const any = await openMesh(t, 'b', { host: '0.0.0.0' })
  t.ok(any.mesh.url === null || !any.mesh.url.includes('0.0.0.0'), `${any.mesh.url}`)
})
