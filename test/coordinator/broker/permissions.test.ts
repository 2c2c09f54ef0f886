import t from 'tap'
import { isAllowed } from '../../../coordinator/broker/permissions.ts'
import type { ClientMessage } from '../../../protocol/bus/embedded/wire.ts'

const data = new Uint8Array()
const lease = { id: 1, queue: 'q', item: 'i', epoch: 1 }
const blob = { id: 1, bucket: 'b', name: 'n' }
const address = '0'.repeat(32)

const allowed: ClientMessage[] = [
  { op: 'request', id: 1, subject: 'lethe.default.run.join', data, timeoutMs: 100 },
  { op: 'publish', subject: 'lethe.default.run.up', data },
  { op: 'subscribe', id: 1, sid: 1, pattern: `lethe.default.run.down.${address}` },
  { op: 'unsubscribe', sid: 1 },
  { op: 'get', id: 1, bucket: 'lethe-default', key: 'leader.run' },
  { op: 'keys', id: 1, bucket: 'lethe-default', after: '' },
  { op: 'watch', id: 1, sid: 2, bucket: 'lethe-default', pattern: 'leader.>' },
]
const refused: ClientMessage[] = [
  { op: 'request', id: 1, subject: 'lethe.default.run.up', data, timeoutMs: 100 },
  { op: 'request', id: 1, subject: 'lethe.default.run.x.join', data, timeoutMs: 100 },
  { op: 'publish', subject: `lethe.default.run.down.${address}`, data },
  { op: 'publish', subject: 'lethe.default.run.join', data },
  { op: 'respond', reply: address, data },
  { op: 'subscribe', id: 1, sid: 1, pattern: 'lethe.default.run.down.*' },
  { op: 'subscribe', id: 1, sid: 1, pattern: 'lethe.default.run.up' },
  { op: 'subscribe', id: 1, sid: 1, pattern: 'lethe.default.run.join' },
  { op: 'subscribe', id: 1, sid: 1, pattern: '>' },
  { op: 'subscribe', id: 1, sid: 1, pattern: 'lethe.>' },
  { op: 'get', id: 1, bucket: 'secrets', key: 'a' },
  { op: 'watch', id: 1, sid: 2, bucket: 'secrets', pattern: '>' },
  { op: 'set', id: 1, bucket: 'lethe-default', key: 'leader.run', value: data, expected: null },
  { op: 'delete', id: 1, bucket: 'lethe-default', key: 'leader.run' },
  { op: 'put', id: 1, queue: 'q', item: 'i', data },
  { op: 'take', id: 1, queue: 'q', waitMs: 1, leaseMs: 1, maxDeliveries: 1 },
  { op: 'extend', ...lease, leaseMs: 1 },
  { op: 'acknowledge', ...lease },
  { op: 'release', ...lease },
  { op: 'size', id: 1, queue: 'q' },
  { op: 'deadLetter', id: 1, queue: 'q', after: '' },
  { op: 'putBlob', ...blob, upload: address, index: 0, data, last: null },
  { op: 'findBlob', ...blob },
  { op: 'readBlob', id: 1, bucket: 'b', upload: address, index: 0 },
  { op: 'deleteBlob', ...blob },
]

t.test('a worker may do what it needs and nothing else; the others may do all', async (t) => {
  for (const message of allowed) t.ok(isAllowed('worker', message), JSON.stringify(message))
  for (const message of refused) t.notOk(isAllowed('worker', message), JSON.stringify(message))
  for (const role of ['coordinator', 'admin'] as const)
    t.ok(
      [...allowed, ...refused].every((message) => isAllowed(role, message)),
      role,
    )
})
