import fc from 'fast-check'
import t from 'tap'
import { decodeEntry, decodeEvent, encodeEntry } from '../../../coordinator/journal/entry.ts'
import { Fence } from '../../../coordinator/journal/fence.ts'
import type { JournalEvent } from '../../../coordinator/journal/journal.ts'
import { reportOf } from '../../../coordinator/report/summary.ts'
import { busPayloadBytes } from '../../../protocol/bus/bus.ts'
import { digestOf, sha256 } from '../../../protocol/digest.ts'
import { madeUpRun } from '../../support/report-input.ts'

const writer = 'a'.repeat(32)

/** As a reader gets it. */
function roundTrip(event: JournalEvent): JournalEvent {
  const { data, blob } = encodeEntry(writer, 7, event)
  const entry = decodeEntry(data)
  if (entry.writer !== writer || entry.number !== 7) throw new Error('another writer')
  if ('event' in entry) return decodeEvent(entry.event)
  if (blob === null || entry.blob.sha256 !== sha256(blob) || entry.blob.bytes !== blob.byteLength) throw new Error('another blob')
  return decodeEvent(blob)
}

t.test('events of all sizes are read as they were written', async (t) => {
  const small: JournalEvent = { type: 'led', epoch: 3, coordinator: writer }
  t.strictSame(roundTrip(small), small)
  const measured: JournalEvent = {
    type: 'evaluated',
    version: 3,
    unit: 1,
    values: [Number.NaN, -0, 1 / 3],
    widths: [],
    payload: Buffer.alloc(0),
  }
  t.same(roundTrip(measured), measured)
  for (const bytes of [busPayloadBytes - 2000, busPayloadBytes, 3 * busPayloadBytes]) {
    const event: JournalEvent = { type: 'evaluated', version: 3, unit: 1, values: [], widths: [], payload: new Uint8Array(bytes).fill(3) }
    const { data, blob } = encodeEntry(writer, 7, event)
    t.ok(data.byteLength <= busPayloadBytes, 'fits into a message')
    t.equal(blob !== null, bytes > busPayloadBytes - 2000)
    const read = roundTrip(event)
    t.ok(read.type === 'evaluated' && Buffer.from(event.payload).equals(read.payload))
  }
})

t.test('the report of a run of many steps, which no message could hold', async (t) => {
  const report = await reportOf({ ...madeUpRun(), faults: [], reduction: null })
  const [first] = report.history
  const history = Array.from({ length: 20_000 }, (_, step) => ({ ...first, step }))
  const event: JournalEvent = { type: 'finished', report: { ...report, history } }
  const read = roundTrip(event)
  t.ok(read.type === 'finished' && digestOf(read.report) === digestOf(event.report))
})

t.test('other bytes are one clear error', async (t) => {
  const { data } = encodeEntry(writer, 7, { type: 'spent', phase: 'train', ms: 1 })
  fc.assert(
    fc.property(fc.nat({ max: data.length - 1 }), fc.integer({ min: 1, max: 255 }), fc.nat({ max: data.length }), (at, flip, length) => {
      const bytes = Buffer.from(data)
      bytes[at] ^= flip
      try {
        const entry = decodeEntry(bytes.subarray(0, length))
        if ('event' in entry) decodeEvent(entry.event)
      } catch (error) {
        return (error as { code?: string }).code === 'STORAGE_WRITE'
      }
      // A flipped bit may give another event that is as good.
      return length === data.length
    }),
    { numRuns: 3000 },
  )
  t.pass('3000 damaged entries')
})

t.test('only the newest leader counts', async (t) => {
  const fence = new Fence()
  const entry = (name: string) => ({ writer: name, number: 1, event: new Uint8Array() })
  const led = (epoch: number, coordinator: string): JournalEvent => ({ type: 'led', epoch, coordinator })
  const spent: JournalEvent = { type: 'spent', phase: 'train', ms: 1 }
  t.notOk(fence.admits(entry('a'), spent), 'nobody leads')
  t.ok(fence.admits(entry('a'), led(1, 'a')))
  t.ok(fence.admits(entry('a'), spent))
  t.notOk(fence.admits(entry('b'), spent))
  t.ok(fence.admits(entry('b'), led(2, 'b')))
  t.notOk(fence.admits(entry('a'), spent))
  t.notOk(fence.admits(entry('a'), led(1, 'a')), 'an older epoch is over')
  t.notOk(fence.admits(entry('c'), led(2, 'c')), 'an epoch leads once')
  t.ok(fence.admits(entry('b'), spent))
  t.equal(fence.epoch, 2)
})
