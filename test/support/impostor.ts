import { once } from 'node:events'
import { WebSocket } from 'ws'
import type { Bus } from '../../protocol/bus/bus.ts'
import { downSubject, type LeaderRecord, leaderBucket, leaderRecord, upSubject } from '../../protocol/bus/subjects.ts'
import { decodeMessage, encodeMessage } from '../../protocol/frame.ts'
import { createIdentity } from '../../protocol/identity.ts'
import { type CoordinatorMessage, downPacket, type UpPacket, type Welcome } from '../../protocol/messages.ts'
import { bulkPath, memberHeader, protocolVersion, versionHeader } from '../../protocol/socket.ts'
import { JoinAttempt } from '../../worker/runtime/join.ts'

/* Someone who joins a run as a worker would, and then does not behave as one. */

const identity = createIdentity()

export interface Impostor {
  record: LeaderRecord
  welcome: Welcome
  bulk: WebSocket
  /** What the coordinator told it. */
  told: CoordinatorMessage[]
  /** Sends a packet, which is this impostor's own where `fields` say nothing else. */
  post(fields?: Partial<UpPacket> | Record<string, unknown>): void
}

/** Who leads the one run on this bus. */
export async function leaderOf(bus: Bus, cluster = 'default'): Promise<LeaderRecord> {
  const store = await bus.keyValue(leaderBucket(cluster))
  for (;;) {
    const [key] = await store.keys()
    const entry = key === undefined ? null : await store.get(key)
    if (entry) return decodeMessage(entry.value, leaderRecord)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/** A welcome for whoever has the token. */
export function join(bus: Bus, record: LeaderRecord, token: string, cluster = 'default'): Promise<Welcome> {
  return new JoinAttempt(record, { token, identity, pid: process.pid }).ask(bus, cluster)
}

/** A socket that never ends the process. */
export async function openSocket(url: string, headers: Record<string, string>): Promise<WebSocket> {
  const socket = new WebSocket(url, { headers: { [versionHeader]: String(protocolVersion), ...headers }, perMessageDeflate: false })
  socket.on('error', () => {})
  await once(socket, 'open')
  return socket
}

/** Joins, opens the bulk socket at `url`, and keeps quiet. */
export async function impostor(bus: Bus, url: string, token: string, cluster = 'default'): Promise<Impostor> {
  const record = await leaderOf(bus, cluster)
  const welcome = await join(bus, record, token, cluster)
  const { runId, worker, memberKey, address } = welcome
  const told: CoordinatorMessage[] = []
  const subscription = await bus.subscribe(downSubject(cluster, runId, address), ({ data }) => {
    const { body } = decodeMessage(data, downPacket)
    if (body) told.push(body)
  })
  const bulk = await openSocket(`${url}${bulkPath}`, { [memberHeader]: memberKey })
  bulk.once('close', () => subscription.unsubscribe())
  const own = { epoch: record.epoch, worker, memberKey, seq: 0, ack: 0, body: null, mark: null }
  const post = (fields = {}) => bus.publish(upSubject(cluster, runId), encodeMessage({ ...own, ...fields }))
  return { record, welcome, bulk, told, post }
}

export const closed = (socket: WebSocket) =>
  new Promise<void>((resolve) => (socket.readyState === WebSocket.CLOSED ? resolve() : socket.once('close', () => resolve())))
