import fc from 'fast-check'
import t from 'tap'
import { z } from 'zod'
import { LetheError } from '../../protocol/errors.ts'
import { segmentBytes } from '../../protocol/socket.ts'
import { sendFrames, TransferReader, transferFrames } from '../../protocol/transfer.ts'

const schema = z.strictObject({ checksum: z.string(), totalBytes: z.int().min(0), offset: z.int().min(0), name: z.string() })
const limit = () => 3 * segmentBytes
const payloadOf = (length: number) => Uint8Array.from({ length }, (_, i) => (i * 31) % 251)

t.test('a transfer of any length arrives as it was', async (t) => {
  for (const length of [0, 1, 1000, segmentBytes, segmentBytes + 1, 2 * segmentBytes]) {
    const payload = payloadOf(length)
    const reader = new TransferReader(schema, limit)
    const frames = [...transferFrames({ name: 'one' }, payload)]
    t.equal(frames.length, Math.max(1, Math.ceil(length / segmentBytes)))
    const results = frames.map((frame) => reader.read(frame))
    t.ok(results.slice(0, -1).every((result) => result === null))
    const last = results.at(-1)
    t.equal(last?.message.name, 'one')
    t.ok(Buffer.from(payload).equals(last?.payload ?? Buffer.alloc(1)))
    t.equal(last?.payload.byteOffset, 0, 'aligned')
  }
})

t.test('what does not follow is refused', async (t) => {
  const frames = [...transferFrames({ name: 'one' }, payloadOf(2 * segmentBytes + 10))]
  const other = [...transferFrames({ name: 'two' }, payloadOf(2 * segmentBytes + 11))]
  const read = (...sequence: Uint8Array[]) => {
    const reader = new TransferReader(schema, limit)
    for (const frame of sequence) reader.read(frame)
  }
  const refused = { code: 'CONNECTION_FRAME' }
  t.throws(() => read(frames[1]), refused, 'starts in the middle')
  t.throws(() => read(frames[0], frames[2]), refused, 'a hole')
  t.throws(() => read(frames[0], frames[0]), refused, 'twice')
  t.throws(() => read(frames[0], other[1]), refused, 'two at once')
  const damaged = Buffer.from(frames[1])
  damaged[damaged.length - 1] ^= 1
  t.throws(() => read(frames[0], damaged, frames[2]), refused, 'another digest')
  t.throws(() => read([...transferFrames({ name: 'long' }, payloadOf(3 * segmentBytes + 1))][0]), refused, 'too long')
})

t.test('damaged frames give errors, nothing else', async (t) => {
  const frame = Buffer.from([...transferFrames({ name: 'one' }, payloadOf(100))][0])
  fc.assert(
    fc.property(fc.nat({ max: frame.length - 1 }), fc.integer({ min: 1, max: 255 }), fc.nat({ max: frame.length }), (at, flip, length) => {
      const bytes = Buffer.from(frame)
      bytes[at] ^= flip
      try {
        new TransferReader(schema, limit).read(bytes.subarray(0, length))
      } catch (error) {
        return error instanceof LetheError && error.code === 'CONNECTION_FRAME'
      }
      return length === frame.length
    }),
    { numRuns: 3000 },
  )
  t.pass('3000 damaged frames')
})

t.test('the next frame is made when the last is taken', async (t) => {
  const made: number[] = []
  function* frames() {
    for (let i = 0; i < 3; i++) {
      made.push(i)
      yield new Uint8Array(1)
    }
  }
  const taken: (() => void)[] = []
  const sending = sendFrames({ send: (_frame, _options, done) => taken.push(() => done()) }, frames())
  t.strictSame(made, [0])
  taken[0]()
  await new Promise(setImmediate)
  t.strictSame(made, [0, 1])
  const failing = sendFrames({ send: (_frame, _options, done) => done(new Error('gone')) }, [new Uint8Array(1)])
  await t.rejects(failing, { message: 'gone' })
  taken[1]()
  await new Promise(setImmediate)
  taken[2]()
  await sending
})
