import { hostname } from 'node:os'
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import type { WebSocket } from 'ws'
import { LetheError, type WireError } from '../../protocol/errors.ts'
import { decodeMessage, encodeMessage } from '../../protocol/frame.ts'
import { type CoordinatorMessage, coordinatorMessage, type WorkerMessage } from '../../protocol/messages.ts'
import { controlMessageBytes, controlPath, heartbeatMs } from '../../protocol/socket.ts'
import { connect } from './connect.ts'
import { Watermark } from './watermark.ts'

/*
 * The control socket lives in this thread, so that heartbeats leave on time however long a micro-batch holds the main one. Each beat
 * carries the watermark: a worker that lives but does not move is seen too.
 */

export interface LinkData {
  url: string
  token: string
  pid: number
  watermark: SharedArrayBuffer
}

export type FromLink = { type: 'message'; message: CoordinatorMessage } | { type: 'closed'; error: WireError }
export type ToLink = { type: 'send'; message: WorkerMessage } | { type: 'close' }

/** How long a coordinator may take to answer a close. */
const closeMs = 1000

const port = parentPort as MessagePort
const { url, token, pid, watermark } = workerData as LinkData
const mark = new Watermark(watermark)

const post = (message: FromLink) => port.postMessage(message)

let socket: WebSocket | null = null
let beats: NodeJS.Timeout | undefined
let isClosed = false

const send = (message: WorkerMessage) => socket?.send(encodeMessage(message))

function lost(error: LetheError): void {
  if (isClosed) return
  isClosed = true
  clearInterval(beats)
  socket?.terminate()
  post({ type: 'closed', error: error.toWire() })
  port.close()
}

/** What was sent before still leaves. */
function leave(): void {
  isClosed = true
  clearInterval(beats)
  const patience = setTimeout(() => socket?.terminate(), closeMs)
  if (socket) socket.once('close', () => clearTimeout(patience)).close()
  port.close()
}

function onMessage(bytes: Uint8Array): void {
  if (isClosed) return
  try {
    post({ type: 'message', message: decodeMessage(bytes, coordinatorMessage) })
  } catch (error) {
    lost(LetheError.from(error))
  }
}

port.on('message', (message: ToLink) => (message.type === 'send' ? send(message.message) : leave()))

try {
  socket = await connect({ url, path: controlPath, token, maxBytes: controlMessageBytes, onMessage })
  socket.on('error', (cause) => lost(new LetheError('CONNECTION_REFUSED', { message: `lost ${url}: ${cause.message}`, cause })))
  socket.on('close', () => lost(new LetheError('CONNECTION_REFUSED', { message: `the coordinator at ${url} has gone` })))
  send({ type: 'hello', pid, host: hostname() || 'unknown' })
  beats = setInterval(() => send({ type: 'beat', ...mark.read() }), heartbeatMs)
} catch (error) {
  lost(LetheError.from(error))
}
