import type { AddressInfo } from 'node:net'
import { parentPort } from 'node:worker_threads'
import { type RawData, WebSocketServer } from 'ws'
import { workerBulk } from '../protocol/messages.ts'
import { bulkMessageBytes } from '../protocol/socket.ts'
import { TransferReader } from '../protocol/transfer.ts'
import { maxProbeBytes } from './link-rate.ts'

/* The far end of the measurement: takes transfers as a coordinator does, and answers each with one byte. */

const server = new WebSocketServer({ host: '127.0.0.1', port: 0, maxPayload: bulkMessageBytes, perMessageDeflate: false })
server.once('listening', () => parentPort?.postMessage((server.address() as AddressInfo).port))
server.once('connection', (socket) => {
  socket.binaryType = 'fragments'
  const reader = new TransferReader(workerBulk, () => maxProbeBytes)
  socket.on('message', (data: RawData) => {
    if (reader.read(data as Buffer[])) socket.send(Uint8Array.of(1))
  })
  socket.once('close', () => server.close())
})
