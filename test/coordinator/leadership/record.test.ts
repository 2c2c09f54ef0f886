import fc from 'fast-check'
import t from 'tap'
import { packRecord, unpackRecord } from '../../../coordinator/leadership/record.ts'
import type { LeaderRecord } from '../../../protocol/bus/subjects.ts'
import { pack } from '../../../protocol/msgpack.ts'

const runId = 'a'.repeat(64)
const record: LeaderRecord = {
  protocol: 2,
  runId,
  epoch: 3,
  coordinator: 'b'.repeat(32),
  url: 'wss://here:1',
  state: 'running',
  renewals: 5,
}
const refused = { code: 'CONNECTION_FRAME' }

t.test('what was packed is unpacked', async (t) => {
  t.strictSame(unpackRecord(packRecord(record), runId), record)
})

t.test('anything else is refused', async (t) => {
  t.throws(() => unpackRecord(packRecord(record), 'c'.repeat(64)), refused, 'of another run')
  t.throws(() => unpackRecord(pack({ ...record, more: 1 }), runId), refused, 'a field too many')
  t.throws(() => unpackRecord(pack({ ...record, epoch: -1 }), runId), refused)
  t.throws(() => unpackRecord(pack({ ...record, url: 'x'.repeat(5000) }), runId), refused)
  t.throws(() => unpackRecord(new Uint8Array(5000), runId), refused, 'too long')
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      try {
        unpackRecord(bytes, runId)
      } catch (error) {
        return (error as { code?: string }).code === refused.code
      }
      return false
    }),
    { numRuns: 2000 },
  )
})
