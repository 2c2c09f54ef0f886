import t from 'tap'
import { z } from 'zod'
import { LetheError } from '../../protocol/errors.ts'
import { decodeFrame, decodeMessage, encodeFrame, encodeMessage, frameLimits, maxMessageBytes } from '../../protocol/frame.ts'
import { Words } from '../../protocol/random.ts'

const schema = z.strictObject({ type: z.literal('partial'), step: z.int(), loss: z.number(), note: z.string().optional() })
const header = { type: 'partial' as const, step: 3, loss: 0.25 }
const tensor = Float32Array.from({ length: 100 }, (_, i) => i / 7)
const rawBytes = (array: Float32Array) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength)

/** undefined where `run` returns, the message of a CONNECTION_FRAME, or whatever else was thrown. */
function outcome(run: () => unknown): string | undefined {
  try {
    run()
    return undefined
  } catch (error) {
    if (error instanceof LetheError && error.code === 'CONNECTION_FRAME') return error.format()
    throw error
  }
}

t.test('a frame comes back as it was, and its payload can be viewed as floats', async (t) => {
  const frame = encodeFrame(header, [rawBytes(tensor.subarray(0, 30)), rawBytes(tensor.subarray(30))])
  const back = decodeFrame(frame, schema)
  t.strictSame(back.header, header)
  t.equal(back.payload.buffer, frame.buffer, 'no copy')
  t.equal((back.payload.byteOffset - frame.byteOffset) % 64, 0)
  t.same(new Float32Array(back.payload.buffer, back.payload.byteOffset, 100), tensor)
})

t.test('the layout is pinned', async (t) => {
  const frame = encodeFrame({}, [Uint8Array.of(7, 8, 9)])
  const expected = new Uint8Array(67)
  expected.set([0x4c, 0x54, 0x48, 0x31, 1, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0x80])
  expected.set([7, 8, 9], 64)
  t.same(Buffer.from(frame).toString('hex'), Buffer.from(expected).toString('hex'))
  t.equal(encodeFrame({ text: 'x'.repeat(60) }, []).byteLength, 128)
})

t.test('a frame at any offset of a buffer gives an aligned payload', async (t) => {
  const frame = encodeFrame(header, [rawBytes(tensor)])
  for (let offset = 0; offset < 17; offset++) {
    const inside = new Uint8Array(frame.byteLength + 40)
    inside.set(frame, offset)
    const { payload } = decodeFrame(inside.subarray(offset, offset + frame.byteLength), schema)
    t.equal(payload.byteOffset % 8, 0)
    t.same(new Float32Array(payload.buffer, payload.byteOffset, 100), tensor)
  }
})

t.test('a frame without a payload is whole', async (t) => {
  t.equal(decodeFrame(encodeFrame(header, []), schema).payload.byteLength, 0)
})

t.test('a large payload is copied once and no more', async (t) => {
  const piece = new Uint8Array(64 * 1024 * 1024).fill(1)
  const before = process.memoryUsage().arrayBuffers
  const frame = encodeFrame(header, [piece])
  const { payload } = decodeFrame(frame, schema)
  t.ok(process.memoryUsage().arrayBuffers - before < 1.1 * piece.byteLength)
  t.equal(payload.byteLength, piece.byteLength)
})

t.test('limits hold on both ends', async (t) => {
  const tooLong = { ...header, note: 'x'.repeat(frameLimits.headerBytes) }
  t.throws(() => encodeFrame(tooLong, []), { code: 'INTERNAL' })
  t.throws(() => encodeMessage('x'.repeat(maxMessageBytes)), { code: 'INTERNAL' })
  t.throws(() => encodeFrame(header, Array(5).fill(new Uint8Array(frameLimits.payloadBytes / 4))), { code: 'INTERNAL' })
  const frame = encodeFrame(header, [rawBytes(tensor)])
  t.match(
    outcome(() => decodeFrame(frame, schema, { payloadBytes: 399 })),
    /payload is too large; expected at most 399 bytes; got 400/,
  )
  t.match(
    outcome(() => decodeFrame(frame, schema, { headerBytes: 5 })),
    /header is too large/,
  )
  t.equal(
    outcome(() => decodeFrame(frame, schema, { payloadBytes: 400 })),
    undefined,
  )
  t.match(
    outcome(() => decodeMessage(new Uint8Array(maxMessageBytes + 1), z.any())),
    /too large/,
  )
})

t.test('each kind of damage is named', async (t) => {
  const frame = encodeFrame(header, [rawBytes(tensor)])
  const changed = (change: (copy: Buffer) => void) => {
    const copy = Buffer.from(frame)
    change(copy)
    return outcome(() => decodeFrame(copy, schema))
  }
  t.match(
    changed((copy) => copy.fill(0, 0, 4)),
    /not a Lethe frame/,
  )
  t.match(
    changed((copy) => copy.writeUInt32LE(0xffffffff, 4)),
    /header is too large/,
  )
  t.match(
    changed((copy) => copy.writeBigUInt64LE(2n ** 64n - 1n, 8)),
    /payload is too large/,
  )
  t.match(
    changed((copy) => copy.writeBigUInt64LE(256n * 1024n * 1024n, 8)),
    /length that it declares/,
  )
  t.match(
    changed((copy) => copy.writeUInt8(1, 63)),
    /padding/,
  )
  t.match(
    changed((copy) => copy.writeUInt8(0xc1, 16)),
    /not MessagePack/,
  )
  t.match(
    outcome(() => decodeFrame(frame.subarray(0, 15), schema)),
    /cut short/,
  )
  t.match(
    outcome(() => decodeFrame(encodeFrame({ ...header, step: 0.5 }, []), schema)),
    /agreed form; got invalid_type at step/,
  )
  t.match(
    outcome(() => decodeFrame(encodeFrame('secret', []), schema)),
    /agreed form; got invalid_type\./,
  )
})

t.test('an error never repeats what a peer sent as a value', async (t) => {
  const text = outcome(() => decodeMessage(encodeMessage({ type: 'secret', step: 'secret', loss: 1 }), schema))
  t.notMatch(text, /secret/)
})

t.test('a schema that throws is a bad message too', async (t) => {
  const picky = z.unknown().transform(() => {
    throw new Error('no')
  })
  t.match(
    outcome(() => decodeMessage(encodeMessage(1), picky)),
    /CONNECTION_FRAME/,
  )
})

t.test('messages come back as they were', async (t) => {
  t.strictSame(decodeMessage(encodeMessage({ ...header, note: undefined }), schema), { ...header, note: undefined })
})

t.test('20 000 damaged, invented and hostile inputs: CONNECTION_FRAME or a valid value, and no memory is lost', async (t) => {
  const words = new Words({ seed: 2, purpose: 'noise', step: 0, sample: 0 })
  const random = (length: number) => Uint8Array.from({ length }, () => words.below(256))
  const frame = encodeFrame({ ...header, note: 'hello', list: [1, { a: [null, -5, 2 ** 40] }], bytes: Uint8Array.of(1, 2) }, [
    rawBytes(tensor),
  ])
  const message = encodeMessage({ ...header, list: Array.from({ length: 40 }, (_, i) => ({ i, name: `n${i}`, x: i / 3 })) })
  const huge = [0xffffffff, 0x7fffffff, 0x10000, 2 ** 28]

  /** A valid prelude around any header. */
  const framed = (inner: Uint8Array) => {
    const copy = new Uint8Array(Math.ceil((16 + inner.length) / 64) * 64)
    copy.set([0x4c, 0x54, 0x48, 0x31, inner.length & 255, inner.length >> 8])
    copy.set(inner, 16)
    return copy
  }
  const flipped = (input: Uint8Array) => {
    const copy = Buffer.from(input)
    for (let k = words.below(4); k >= 0; k--) copy[words.below(copy.length)] ^= 1 << words.below(8)
    return copy
  }
  const kinds: (() => Uint8Array)[] = [
    () => random(words.below(300)),
    () => framed(random(words.below(200))),
    () => flipped(frame),
    () => flipped(frame.subarray(0, 200)),
    () => framed(flipped(message)),
    () => frame.subarray(0, words.below(frame.length)),
    () => Buffer.concat([frame, random(1 + words.below(70))]),
    () => {
      const copy = Buffer.from(frame)
      copy.writeUInt32LE(huge[words.below(huge.length)], [4, 8, 12][words.below(3)])
      return copy
    },
    () => framed(new Uint8Array(1 + words.below(4000)).fill([0x91, 0x81, 0xdc, 0xdd, 0xdf, 0x9f, 0x8f][words.below(7)])),
    () => {
      const count = huge[words.below(huge.length)]
      const first = [0xdd, 0xdf, 0xc6, 0xdb, 0xc9][words.below(5)]
      return framed(Uint8Array.of(first, count >>> 24, count >>> 16, count >>> 8, count, ...random(words.below(50))))
    },
  ]

  const anything = z.unknown()
  const start = performance.now()
  const rssBefore = process.memoryUsage().rss
  let accepted = 0
  for (let k = 0; k < 20_000; k++) {
    const input = kinds[k % kinds.length]()
    const results = [
      outcome(() => decodeFrame(input, k % 20 < 10 ? schema : anything)),
      outcome(() => decodeMessage(input, k % 20 < 10 ? anything : schema)),
      outcome(() => decodeMessage(input.subarray(16), anything)),
    ]
    accepted += results.filter((result) => result === undefined).length
  }
  const grownMiB = (process.memoryUsage().rss - rssBefore) / 2 ** 20
  t.comment(`${accepted} accepted, ${grownMiB.toFixed(0)} MiB grown, ${((performance.now() - start) / 1000).toFixed(1)} s`)
  t.ok(accepted > 0 && accepted < 20_000)
  t.ok(grownMiB < 200, `${grownMiB} MiB grown`)
  t.strictSame(decodeFrame(encodeFrame(header, []), schema).header, header, 'and a good frame still passes')
})
