import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { WebSocket } from 'ws'
import { median } from '../protocol/median.ts'
import { bulkMessageBytes } from '../protocol/socket.ts'
import { sendFrames, transferFrames } from '../protocol/transfer.ts'

/** What the measurement sends: a transfer like any other. */
const probe = { type: 'file', ticket: 0, path: 'probe' }
export const maxProbeBytes = 64 * 2 ** 20

const minProbeBytes = 2 ** 20
const warmUpTransfers = 1
const transfers = 5
const warmUpEchoes = 20
const echoes = 50

export interface LinkRate {
  /** One direction, digests on both ends included. */
  bytesPerSecond: number
  /** One way, of a message without payload. */
  latencyMs: number
}

/** Sends transfers of about `bytes` through a bulk socket to another thread of this process: what two processes on one machine reach. */
export async function measureLinkRate(bytes: number): Promise<LinkRate> {
  const thread = new Worker(new URL('link-rate-thread.js', import.meta.url))
  const failed = new Promise<never>((_, reject) => thread.once('error', reject))
  try {
    return await Promise.race([measure(thread, bytes), failed])
  } finally {
    await thread.terminate()
  }
}

async function measure(thread: Worker, bytes: number): Promise<LinkRate> {
  const [port] = await once(thread, 'message')
  const socket = new WebSocket(`ws://127.0.0.1:${port}`, { maxPayload: bulkMessageBytes, perMessageDeflate: false })
  await once(socket, 'open')
  const roundTrip = async (payload: Uint8Array): Promise<number> => {
    const startedAt = performance.now()
    const answered = once(socket, 'message')
    await sendFrames(socket, transferFrames(probe, payload))
    await answered
    return performance.now() - startedAt
  }
  const latencyMs = (await medianOf(() => roundTrip(new Uint8Array(0)), warmUpEchoes, echoes)) / 2
  const payload = new Uint8Array(Math.min(maxProbeBytes, Math.max(minProbeBytes, bytes)))
  const transferMs = await medianOf(() => roundTrip(payload), warmUpTransfers, transfers)
  socket.close()
  return { bytesPerSecond: (1000 * payload.byteLength) / Math.max(0.001, transferMs - latencyMs), latencyMs }
}

async function medianOf(run: () => Promise<number>, warmUps: number, runs: number): Promise<number> {
  const times: number[] = []
  for (let i = 0; i < warmUps + runs; i++) times.push(await run())
  return median(times.slice(warmUps))
}
