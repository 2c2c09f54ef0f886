import { once } from 'node:events'
import { WebSocket } from 'ws'
import type { MeshMessage } from '../protocol/messages.ts'
import { segmentBytes } from '../protocol/socket.ts'
import { clientTls, type TlsFiles } from '../protocol/tls.ts'
import { sendFrame, transferFrames } from '../protocol/transfer.ts'
import { Mesh } from '../worker/exchange/mesh.ts'

/* The other process of reduce.ts: sends what it is told, and answers when the last byte was taken. */

export type Task = { bytes: number; url: string; tls?: TlsFiles; meshKey: string } & (
  | { kind: 'plain' | 'transfers'; isMasked: boolean }
  | { kind: 'mesh'; sockets: number }
)

export interface Answer {
  seconds: number
  /** Processor time of this process. */
  cpuSeconds: number
}

/** Messages under way, as many as the window between workers. */
const underWay = 8
const warmUpBytes = 32 * 2 ** 20
const source = new Uint8Array(16 * segmentBytes).map((_, i) => (i * 31) % 251)
const message: MeshMessage = { type: 'share', runId: 'a'.repeat(64), epoch: 1, step: 0, start: 0, encoding: 'f32' }

const segmentOf = (index: number) => source.subarray((index % 16) * segmentBytes, ((index % 16) + 1) * segmentBytes)

/** Sends segments, `underWay` of them at a time. */
async function series(bytes: number, send: (segment: Uint8Array) => Promise<void>): Promise<void> {
  let next = 0
  const lane = async () => {
    while (next * segmentBytes < bytes) {
      const index = next
      next += 1
      await send(segmentOf(index))
    }
  }
  await Promise.all(Array.from({ length: underWay }, lane))
}

async function timed(work: () => Promise<void>): Promise<Answer> {
  const [startedAt, cpu] = [performance.now(), process.cpuUsage()]
  await work()
  const { user, system } = process.cpuUsage(cpu)
  return { seconds: (performance.now() - startedAt) / 1000, cpuSeconds: (user + system) / 1e6 }
}

async function overSocket({ bytes, url, tls, ...task }: Task): Promise<Answer> {
  const mask = 'isMasked' in task && task.isMasked ? {} : { generateMask: (key: Buffer) => key.fill(0) }
  const socket = new WebSocket(url, { perMessageDeflate: false, ...mask, ...(tls && clientTls(tls)) })
  await once(socket, 'open')
  const send = (segment: Uint8Array) =>
    new Promise<void>((resolve, reject) => {
      const done = (error?: Error | null) => (error ? reject(error) : resolve())
      if (task.kind === 'plain') socket.send(segment, { binary: true }, done)
      else for (const frame of transferFrames(message, segment)) sendFrame(socket, frame, done)
    })
  const run = async (total: number) => {
    const done = once(socket, 'message')
    socket.send(String(total))
    await series(total, send)
    await done
  }
  await run(warmUpBytes)
  process.send?.('begin')
  const answer = await timed(() => run(bytes))
  socket.terminate()
  return answer
}

async function overMesh({ bytes, url, tls, meshKey, ...task }: Task): Promise<Answer> {
  const relay = async () => {
    throw new Error('the other process cannot be reached')
  }
  const sockets = 'sockets' in task ? task.sockets : 1
  const mesh = await Mesh.listen({
    ...{ host: '127.0.0.1', port: 0, tls, meshKey, self: 'sender', sockets, relay },
    onTransfer: () => {},
    limit: () => 0,
  })
  mesh.setPeers([{ worker: 'receiver', url }])
  const send = (segment: Uint8Array) => mesh.send('receiver', message, segment)
  await series(warmUpBytes, send)
  process.send?.('begin')
  const answer = await timed(() => series(bytes, send))
  await mesh.close()
  return answer
}

process.on('message', async (task: Task) => {
  process.send?.(await (task.kind === 'mesh' ? overMesh(task) : overSocket(task)))
})
process.once('disconnect', () => process.exit())
