import { once } from 'node:events'
import { createServer } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { type RawData, WebSocket, WebSocketServer } from 'ws'
import { noMask } from '../protocol/dial.ts'
import { type MeshMessage, meshBulk } from '../protocol/messages.ts'
import { bulkMessageBytes } from '../protocol/socket.ts'
import { clientTls, type TlsFiles } from '../protocol/tls.ts'
import { sendFrames, TransferReader, transferFrames } from '../protocol/transfer.ts'
import { Mesh } from '../worker/exchange/mesh.ts'

/*
 * One of the two processes of a measurement of reduce.ts. Both are told the same task; the sender gets the receiver's address with it, and
 * both answer with their processor time when the last byte was taken.
 */

export interface Task {
  kind: 'plain' | 'transfers' | 'mesh'
  bytes: number
  /** What the receiver gets in one piece: a message of plain ws, a transfer of ours. `bytes` is a multiple of it. */
  pieceBytes: number
  /** Sockets of the mesh; the others have one. */
  sockets: number
  /** As ws does it by itself: every byte is changed on the way out and back on the way in. */
  isMasked: boolean
  tls?: TlsFiles
  /** Where to send; the receiver has none. */
  url?: string
}

export interface Answer {
  seconds: number
  cpuSeconds: number
}

/** Bytes that plain ws may have under way: as many as the window between workers. */
const underWayBytes = 32 * 2 ** 20
export const warmUpBytes = 64 * 2 ** 20
const meshKey = 'b'.repeat(64)
const message: MeshMessage = { type: 'share', runId: 'a'.repeat(64), epoch: 1, step: 0, start: 0, encoding: 'f32' }
const limit = () => 2 ** 32 - 1
const relay = async () => {
  throw new Error('the other process cannot be reached')
}

let usage = process.cpuUsage()
const tell = (what: unknown) => process.send?.(what)
const begin = () => {
  usage = process.cpuUsage()
}
const cpuSeconds = () => {
  const { user, system } = process.cpuUsage(usage)
  return (user + system) / 1e6
}

/** Counts what it takes: at first the warm-up, then the rest. Answers each series with one message. */
function counter(bytes: number, onDone: (isLast: boolean) => void): (taken: number) => void {
  let total = 0
  return (taken) => {
    total += taken
    if (total === warmUpBytes) {
      begin()
      onDone(false)
    } else if (total === warmUpBytes + bytes) {
      onDone(true)
    }
  }
}

async function receive({ kind, bytes, pieceBytes, tls }: Task): Promise<string> {
  const isDone = (isLast: boolean) => isLast && tell({ seconds: 0, cpuSeconds: cpuSeconds() } satisfies Answer)
  if (kind === 'mesh') {
    const count = counter(bytes, isDone)
    const onTransfer = (_from: string, _message: unknown, payload: Uint8Array) => count(payload.byteLength)
    const mesh = await Mesh.listen({ host: '127.0.0.1', port: 0, tls, meshKey, self: 'receiver', limit, onTransfer, relay })
    return mesh.url as string
  }
  const server = tls ? createTlsServer({ cert: tls.cert, key: tls.key }) : createServer()
  const sockets = new WebSocketServer({ server, maxPayload: Math.max(bulkMessageBytes, pieceBytes), perMessageDeflate: false })
  sockets.on('connection', (socket) => {
    const count = counter(bytes, (isLast) => {
      socket.send('done')
      isDone(isLast)
    })
    if (kind === 'plain') return socket.on('message', (data: RawData) => count((data as Buffer).byteLength))
    const reader = new TransferReader(meshBulk, limit)
    socket.binaryType = 'fragments'
    socket.on('message', (data: RawData) => count(reader.read(data as Buffer[])?.payload.byteLength ?? 0))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `${tls ? 'wss' : 'ws'}://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Sends pieces until all have been sent, `underWay` of them at a time. */
async function series(bytes: number, piece: Uint8Array, underWay: number, send: (piece: Uint8Array) => Promise<void>): Promise<void> {
  let left = bytes
  const lane = async () => {
    for (; left > 0; ) {
      left -= piece.byteLength
      await send(piece)
    }
  }
  await Promise.all(Array.from({ length: underWay }, lane))
}

async function timed(bytes: number, run: (bytes: number) => Promise<void>): Promise<Answer> {
  await run(warmUpBytes)
  begin()
  const startedAt = performance.now()
  await run(bytes)
  return { seconds: (performance.now() - startedAt) / 1000, cpuSeconds: cpuSeconds() }
}

async function send({ kind, bytes, pieceBytes, sockets, isMasked, tls, url = '' }: Task): Promise<Answer> {
  const piece = new Uint8Array(pieceBytes).map((_, i) => (i * 31) % 251)
  const underWay = Math.max(2, underWayBytes / pieceBytes)
  if (kind === 'mesh') {
    const mesh = await Mesh.listen({
      host: '127.0.0.1',
      port: 0,
      tls,
      meshKey,
      self: 'sender',
      limit,
      onTransfer: () => {},
      relay,
      sockets,
    })
    mesh.setPeers([{ worker: 'receiver', url }])
    return timed(bytes, (count) => series(count, piece, underWay, () => mesh.send('receiver', message, piece)))
  }
  const options = { perMessageDeflate: false, ...(!isMasked && { generateMask: noMask }), ...(tls && clientTls(tls)) }
  const socket = new WebSocket(url, options)
  await once(socket, 'open')
  const sendPlain = () =>
    new Promise<void>((resolve, reject) => {
      socket.send(piece, { binary: true }, (error) => (error ? reject(error) : resolve()))
    })
  return timed(bytes, async (count) => {
    const taken = once(socket, 'message')
    if (kind === 'plain') await series(count, piece, underWay, sendPlain)
    // As coordinators and workers do: one transfer after the other.
    else await series(count, piece, 1, () => sendFrames(socket, transferFrames(message, piece)))
    await taken
  })
}

process.once('message', async (task: Task) => tell(task.url === undefined ? await receive(task) : await send(task)))
process.once('disconnect', () => process.exit())
