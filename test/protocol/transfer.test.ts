import fc from 'fast-check'
import t from 'tap'
import { z } from 'zod'
import { LetheError } from '../../protocol/errors.ts'
import type { FrameBytes } from '../../protocol/frame.ts'
import { segmentBytes } from '../../protocol/socket.ts'
import { type Frame, sendFrames, TransferReader, transferFrames } from '../../protocol/transfer.ts'

const schema = z.strictObject({ checksum: z.string(), totalBytes: z.int().min(0), offset: z.int().min(0), name: z.string() })
const limit = () => 3 * segmentBytes
const payloadOf = (length: number) => Uint8Array.from({ length }, (_, i) => (i * 31) % 251)
const inThree = (bytes: Buffer) => [bytes.subarray(0, 11), bytes.subarray(11, 70), bytes.subarray(70)]

t.test('a transfer of any length arrives as it was', async (t) => {
  for (const length of [0, 1, 1000, segmentBytes, segmentBytes + 1, 2 * segmentBytes]) {
    const payload = payloadOf(length)
    const reader = new TransferReader(schema, limit)
    const frames = [...transferFrames({ name: 'one' }, payload)]
    t.equal(frames.length, Math.max(1, Math.ceil(length / segmentBytes)))
    // As one message, as it was sent, and cut at any place.
    for (const cut of [(frame: Frame) => Buffer.concat(frame), (frame: Frame) => frame, (frame: Frame) => inThree(Buffer.concat(frame))]) {
      const results = frames.map((frame) => reader.read(cut(frame)))
      t.ok(results.slice(0, -1).every((result) => result === null))
      const last = results.at(-1)
      t.equal(last?.message.name, 'one')
      t.ok(Buffer.from(payload).equals(last?.payload ?? Buffer.alloc(1)))
      t.equal(last?.payload.byteOffset, 0, 'aligned')
      t.equal(last?.payload.buffer.byteLength, length, 'alone in its buffer')
    }
  }
})

t.test('a segment that came as it was sent is not copied', async (t) => {
  const payload = payloadOf(segmentBytes)
  const [[head]] = [...transferFrames({ name: 'one' }, payload)]
  t.equal(new TransferReader(schema, limit).read([head, payload])?.payload.buffer, payload.buffer)
  const part = new Uint8Array(segmentBytes + 8)
  part.set(payload, 8)
  const read = new TransferReader(schema, limit).read([head, part.subarray(8)])
  t.not(read?.payload.buffer, part.buffer, 'unless the buffer holds something else too')
})

t.test('what does not follow is refused', async (t) => {
  const frames = [...transferFrames({ name: 'one' }, payloadOf(2 * segmentBytes + 10))]
  const other = [...transferFrames({ name: 'two' }, payloadOf(2 * segmentBytes + 11))]
  const read = (...sequence: FrameBytes[]) => {
    const reader = new TransferReader(schema, limit)
    for (const frame of sequence) reader.read(frame)
  }
  const refused = { code: 'CONNECTION_FRAME' }
  t.throws(() => read(frames[1]), refused, 'starts in the middle')
  t.throws(() => read(frames[0], frames[2]), refused, 'a hole')
  t.throws(() => read(frames[0], frames[0]), refused, 'twice')
  t.throws(() => read(frames[0], other[1]), refused, 'two at once')
  t.throws(() => read(frames[0], renamed(frames[1])), refused, 'of another message')
  const damaged = Buffer.concat(frames[1])
  damaged[damaged.length - 1] ^= 1
  t.throws(() => read(frames[0], damaged), refused, 'another checksum')
  t.throws(() => read([...transferFrames({ name: 'long' }, payloadOf(3 * segmentBytes + 1))][0]), refused, 'too long')
})

/** The same segment of a transfer with another name. */
function renamed([head, payload]: Frame): Frame {
  const bytes = Buffer.from(head)
  bytes.write('two', bytes.indexOf('one'))
  return [bytes, payload]
}

t.test('damaged frames give errors, nothing else', async (t) => {
  const frame = Buffer.concat([...transferFrames({ name: 'one' }, payloadOf(100))][0])
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
  const frame: Frame = [new Uint8Array(1), new Uint8Array(0)]
  const made: number[] = []
  function* frames() {
    for (let i = 0; i < 3; i++) {
      made.push(i)
      yield frame
    }
  }
  const taken: (() => void)[] = []
  const sending = sendFrames({ send: (_frame, _options, done) => taken.push(() => done()) }, frames())
  t.strictSame(made, [0])
  taken[0]()
  await new Promise(setImmediate)
  t.strictSame(made, [0, 1])
  const failing = sendFrames({ send: (_frame, _options, done) => done(new Error('gone')) }, [frame])
  await t.rejects(failing, { message: 'gone' })
  taken[1]()
  await new Promise(setImmediate)
  taken[2]()
  await sending
  const sent: [number, boolean][] = []
  const socket = {
    send(bytes: Uint8Array, { fin }: { fin: boolean }, done: () => void) {
      sent.push([bytes.byteLength, fin])
      done()
    },
  }
  await sendFrames(socket, [[new Uint8Array(64), new Uint8Array(5)]])
  t.strictSame(
    sent,
    [
      [64, false],
      [5, true],
    ],
    'head and payload are fragments of one message',
  )
})
