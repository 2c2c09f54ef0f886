import type { Hello, MeshMessage, Unsent, UpPacket, WorkerBulk, WorkerMessage } from '../../protocol/messages.ts'
import type { Chance } from '../simulator/chance.ts'

/* Messages as they should be, of every kind that a port takes: what chance then spoils. */

const zeros = '0'.repeat(64)
const bytes = (count: number) => new Uint8Array(count)

const summary = {
  ...{ parameterCount: 1000, channels: ['keep', 'forget'], microBatches: 11, manifestDigest: zeros, forgetDigest: zeros },
  ...{ items: 100, forgetItems: 1, imageShape: [8, 8, 1] as [number, number, number], engine: 'toy' },
}
const error = { code: 'COMPUTE_FAILED', message: 'no', hint: 'none' }
const figures = { losses: { keep: 1 }, norms: { keep: 1 }, updateNorm: 1 }
const work = { epoch: 2 ** 30 + 1, step: 1 }
const digestOfNode = { channel: 'keep', level: 0, index: 0, sha256: zeros }

/** What a worker may say. A failure is left out: of a member that is believed, and three of them end a run. */
const workerMessages: readonly WorkerMessage[] = [
  {
    ...{ type: 'opened', summary, parentDigest: zeros, held: { version: 3, digest: zeros, figures }, meshUrl: 'ws://127.0.0.1:1' },
    reference: { height: 2, width: 2, channels: 1, pixels: bytes(4) },
  },
  { type: 'opened', summary, parentDigest: zeros, held: null, reference: null, meshUrl: null },
  { type: 'at', version: 5, digest: zeros },
  { type: 'computed', ...work, start: 0, end: 2, computeMs: 1, terms: [{ ...digestOfNode, loss: 1 }] },
  { type: 'audited', ...work, start: 0, end: 2, digests: [digestOfNode] },
  { type: 'sliced', ...work, products: [1, 2, 3] },
  { type: 'gathered', ...work, sha256: zeros },
  { type: 'leaving', reason: 'enough' },
]

export interface Known {
  cluster: string
  runId: string
  epoch: number
  /** Workers of the run. */
  workers: readonly string[]
}

/** A packet of somebody who has no membership, or not this one. */
export function packet(chance: Chance, { epoch, workers }: Known, own: Partial<UpPacket> = {}): Record<string, unknown> {
  const digit = chance.below(16).toString(16)
  return {
    epoch: chance.pick([epoch, epoch, epoch + 1, 0, 2 ** 40]),
    seq: chance.integer(0, 9),
    ack: chance.integer(0, 3),
    worker: chance.pick(workers),
    memberKey: digit.repeat(64),
    body: chance.pick([null, { type: 'failed', error }, ...workerMessages]),
    mark: chance.pick([null, { step: 1, microBatches: 2, bytes: 3 }]),
    ...own,
  }
}

export function hello(chance: Chance, honest: Hello): Record<string, unknown> {
  return {
    ...honest,
    instance: chance
      .below(2 ** 30)
      .toString(16)
      .padStart(32, '0'),
    token: chance.pick([honest.token, '', 'wrong', `${honest.token} `, `lethe1.${'a'.repeat(80)}.${'b'.repeat(86)}`]),
    signature: chance.pick([honest.signature, 'A'.repeat(86), '']),
  }
}

export function operation(chance: Chance, { cluster, runId }: Known): Record<string, unknown> {
  const id = chance.below(1000)
  const bucket = chance.pick([`lethe-${cluster}`, `lethe-${chance.below(1e6)}`, 'journal'])
  const subject = `lethe.${cluster}.${runId}.${chance.pick(['up', 'join', 'down.a', 'journal'])}`
  const item = { id, queue: 'work', item: 'one' }
  return chance.pick<Record<string, unknown>>([
    { op: 'publish', subject, data: bytes(3) },
    { op: 'request', id, subject, data: bytes(3), timeoutMs: 100 },
    { op: 'respond', reply: zeros.slice(32), data: bytes(3) },
    { op: 'subscribe', id, sid: 1, pattern: `lethe.${cluster}.${runId}.down.${zeros.slice(32)}` },
    { op: 'subscribe', id, sid: 1, pattern: '>' },
    { op: 'unsubscribe', sid: 1 },
    { op: 'get', id, bucket, key: `leader.${runId}` },
    { op: 'set', id, bucket, key: `leader.${runId}`, value: bytes(3), expected: chance.pick([null, 0, 1]) },
    { op: 'delete', id, bucket, key: `leader.${runId}` },
    { op: 'keys', id, bucket, after: '' },
    { op: 'watch', id, bucket, sid: 2, pattern: 'leader.>' },
    { op: 'put', ...item, data: bytes(3) },
    { op: 'take', id, queue: 'work', waitMs: 1, leaseMs: 1000, maxDeliveries: 3 },
    { op: 'acknowledge', ...item, epoch: 1 },
    { op: 'putBlob', id, bucket, name: 'a', upload: zeros.slice(32), index: 0, data: bytes(9), last: null },
    { op: 'readBlob', id, bucket, upload: zeros.slice(32), index: 0 },
  ])
}

/** What a worker may ask of the bus, and harms nobody however often. */
export function permitted(chance: Chance, { cluster, runId }: Known, data: Uint8Array): Record<string, unknown> {
  const id = chance.below(2 ** 30)
  const bucket = `lethe-${chance.happens(0.5) ? cluster : chance.below(2 ** 40)}`
  const subject = `lethe.${cluster}.${runId}`
  const sid = chance.integer(1, 20)
  return chance.pick<Record<string, unknown>>([
    { op: 'publish', subject: `${subject}.up`, data },
    { op: 'publish', subject: `${subject}.up`, data },
    { op: 'publish', subject: `lethe.nobody.${chance.below(1e9)}.up`, data },
    { op: 'request', id, subject: `${subject}.join`, data, timeoutMs: 100 },
    { op: 'get', id, bucket, key: `leader.${chance.below(1e9)}` },
    { op: 'keys', id, bucket, after: '' },
    { op: 'watch', id, bucket, sid, pattern: 'leader.>' },
    { op: 'subscribe', id, sid, pattern: `${subject}.down.${chance.below(1e9)}` },
    { op: 'unsubscribe', sid },
  ])
}

export const meshMessage = (chance: Chance, { runId }: Pick<Known, 'runId'>): MeshMessage =>
  chance.pick<MeshMessage>([
    { type: 'piece', runId, ...work, channel: 'keep', level: 0, index: 0, start: 0, encoding: 'f32' },
    { type: 'share', runId, ...work, start: 0, encoding: 'f32' },
  ])

export function bulkMessage(chance: Chance, { runId, workers }: Known): Unsent<WorkerBulk> {
  const ticket = chance.below(5)
  return chance.pick<Unsent<WorkerBulk>>([
    { type: 'partial', runId, ...work, channel: 'keep', level: 0, index: 0, loss: 1, encoding: 'f32', computeMs: 1 },
    { type: 'file', ticket, path: 'config.json' },
    { type: 'state', ticket, version: 1, digest: zeros },
    { type: 'evaluation', ticket, values: [1, 2], widths: [] },
    { type: 'relay', to: chance.pick(workers), message: meshMessage(chance, { runId }) },
  ])
}
