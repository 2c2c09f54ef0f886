import { Packr } from 'msgpackr'
import type { Test } from 'tap'
import t from 'tap'
import { maxDepth, maxValues, pack, unpack } from '../../protocol/msgpack.ts'

const bytes = (...values: number[]) => Uint8Array.from(values)
const refuses = (t: Test, input: Uint8Array, message: RegExp) => t.throws(() => unpack(input), { name: 'TypeError', message })

t.test('values come back as they were', async (t) => {
  const numbers = [
    0,
    1,
    -1,
    127,
    128,
    255,
    256,
    -32,
    -33,
    -128,
    -129,
    65535,
    65536,
    -32769,
    2 ** 31,
    2 ** 32,
    -(2 ** 31) - 1,
    2 ** 53 - 1,
    -(2 ** 53) + 1,
  ]
  const value = {
    numbers: [...numbers, 0.1, 1e300, Number.NaN, -Infinity],
    strings: ['', 'a', 'é', '🙂', 'x'.repeat(31), 'x'.repeat(32), 'x'.repeat(300), 'é'.repeat(40_000)],
    bytes: bytes(1, 2, 3),
    nothing: [null, undefined, true, false],
    nested: [[], {}, [[{ a: [1] }]]],
    many: Array.from({ length: 1000 }, (_, i) => i),
    wide: Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`key ${i}`, i])),
    ['a long key '.repeat(20)]: 1,
  }
  const back = unpack(pack(value)) as typeof value
  t.strictSame({ ...back, bytes: [...back.bytes] }, { ...value, bytes: [...value.bytes] })
})

t.test('64-bit integers become numbers where they are exact', async (t) => {
  const packr = new Packr({ useRecords: false })
  t.strictSame(unpack(packr.pack([2n ** 53n - 1n, -(2n ** 53n) + 1n, 5n])), [2 ** 53 - 1, -(2 ** 53) + 1, 5])
  t.equal(unpack(bytes(0xcf, 0, 0x1f, 255, 255, 255, 255, 255, 255)), 2 ** 53 - 1)
  t.equal(unpack(bytes(0xd3, 0xff, 0xe0, 0, 0, 0, 0, 0, 1)), -(2 ** 53) + 1)
  refuses(t, bytes(0xcf, 0, 0x20, 0, 0, 0, 0, 0, 0), /integer/)
  refuses(t, bytes(0xd3, 0, 0x20, 0, 0, 0, 0, 0, 0), /integer/)
  refuses(t, bytes(0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0), /integer/)
})

t.test('byte strings do not hold on to the message', async (t) => {
  const message = pack({ bytes: bytes(1, 2, 3) })
  const { bytes: back } = unpack(message) as { bytes: Uint8Array }
  t.not(back.buffer, message.buffer)
})

t.test('extensions are refused: records, dates, errors, expressions, references, sets', async (t) => {
  const packr = new Packr({ structuredClone: true, moreTypes: true })
  const cycle: unknown[] = []
  cycle.push(cycle)
  for (const value of [{ a: 1 }, new Date(0), new Error('x'), /(a+)+$/, new Set([1]), new Float32Array(2), cycle])
    refuses(t, packr.pack(value), /extension|key|left over/)
  for (const first of [0xc1, 0xc7, 0xc8, 0xc9, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8]) refuses(t, bytes(first, 1, 1, 1, 1, 1, 1, 1), /extension/)
})

t.test('declared lengths above what is there are refused before anything is allocated', async (t) => {
  const huge = [0xff, 0xff, 0xff, 0xff]
  for (const first of [0xdd, 0xdf, 0xc6, 0xdb]) refuses(t, bytes(first, ...huge), /cut short/)
  for (const first of [0xdc, 0xde, 0xc5, 0xda]) refuses(t, bytes(first, 0xff, 0xff, 0), /cut short/)
  for (const first of [0xc4, 0xd9]) refuses(t, bytes(first, 0xff, 0), /cut short/)
  for (const first of [0xcc, 0xcd, 0xce, 0xcf, 0xca, 0xcb, 0xd0, 0xd1, 0xd2, 0xd3, 0xdd, 0xc6, 0x91, 0x81, 0xa1, 0xd9, 0xdc])
    refuses(t, bytes(first), /cut short/)
  refuses(t, bytes(), /cut short/)
  refuses(t, bytes(1, 1), /left over/)
})

t.test('depth and number of values have a limit', async (t) => {
  const nested = (depth: number) => Uint8Array.from([...Array(depth).fill(0x91), 0xc0])
  t.doesNotThrow(() => unpack(nested(maxDepth)))
  refuses(t, nested(maxDepth + 1), /deeply/)
  refuses(t, nested(1_000_000), /deeply/)
  const flat = (count: number) => Uint8Array.from([0xdd, 0, count >> 16, (count >> 8) & 255, count & 255, ...Array(count).fill(0x90)])
  t.doesNotThrow(() => unpack(flat(maxValues - 1)))
  refuses(t, flat(maxValues), /too many/)
})

t.test('keys are strings, and none reaches a prototype', async (t) => {
  refuses(t, bytes(0x81, 1, 1), /key/)
  refuses(t, bytes(0x81, 0x90, 1), /key/)
  const poisoned = unpack(bytes(0x81, 0xa9, ...Buffer.from('__proto__'), 0x81, 0xa1, 0x78, 1)) as Record<string, unknown>
  t.equal(Object.getPrototypeOf(poisoned), Object.prototype)
  t.notOk('x' in poisoned)
})

t.test('the sender learns at once of what a receiver would refuse', async (t) => {
  for (const value of [new Date(0), 2n ** 60n, new Map([[1, 2]]), Array(maxValues).fill(0)]) t.throws(() => pack({ value }))
})
