import type { Chance } from '../simulator/chance.ts'

/* Values that a schema does not expect, and MessagePack that no honest writer makes. Everything follows from the seed. */

type Tree = Record<string, unknown> | unknown[]

const hex = (chance: Chance, digits: number) => Array.from({ length: digits }, () => '0123456789abcdef'[chance.below(16)]).join('')

/** Written in the place of a value: the bytes as they are. */
export class Raw {
  constructor(readonly bytes: Uint8Array) {}
}

export function noise(chance: Chance, maxBytes: number): Buffer {
  return Buffer.from(Uint8Array.from({ length: chance.integer(0, maxBytes) }, () => chance.below(256)))
}

function nested(depth: number, isMap: boolean): unknown {
  let value: unknown = 0
  for (let i = 0; i < depth; i++) value = isMap ? { a: value } : [value]
  return value
}

const wildNumbers = [
  ...[Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0, -1, 0.5, 1e308, 5e-324],
  ...[2 ** 31, 2 ** 32, 2 ** 48, Number.MAX_SAFE_INTEGER, 2 ** 53, 2 ** 60, -(2 ** 53)],
]
const wildTexts = [
  '',
  '\0',
  '__proto__',
  'constructor',
  '../../etc/passwd',
  '\ud800',
  '>',
  '*',
  'lethe.*.*.join',
  '%s%n',
  '\r\n\r\n',
  'null',
]

const wilds: ((chance: Chance) => unknown)[] = [
  (chance) => chance.pick(wildNumbers),
  (chance) => chance.pick(wildTexts),
  (chance) => chance.integer(0, 1000),
  (chance) => hex(chance, chance.pick([1, 31, 32, 33, 63, 64, 65, 128])),
  (chance) => 'x'.repeat(chance.pick([201, 401, 4001, 70_000])),
  (chance) => new Uint8Array(chance.pick([0, 1, 64, 70_000])),
  (chance) => Array(chance.pick([0, 1, 17, 4097])).fill(chance.below(3)),
  (chance) => nested(chance.pick([1, 31, 33, 200]), chance.happens(0.5)),
  () => null,
  () => undefined,
  (chance) => chance.happens(0.5),
  () => ({}),
  // Lengths that lie: map 32, array 32, bytes 32, string 32, and extensions.
  (chance) => new Raw(Buffer.from([chance.pick([0xdf, 0xdd, 0xc6, 0xdb, 0xde, 0xdc]), 0x7f, 0xff, 0xff, 0xff, 0x01])),
  (chance) => new Raw(Buffer.from([chance.pick([0xc7, 0xd4, 0xd5, 0xd8, 0xc1]), chance.below(256), chance.below(256), chance.below(256)])),
  (chance) => new Raw(Buffer.from([0xcf, ...Array.from({ length: 8 }, () => chance.below(256))])),
]

const isTree = (value: unknown): value is Tree =>
  typeof value === 'object' && value !== null && !(value instanceof Uint8Array) && !(value instanceof Raw)

/** The same with one thing wrong, somewhere: a value, a key, a copy, a hole. */
export function mutated(chance: Chance, value: unknown): unknown {
  if (!isTree(value)) return chance.pick(wilds)(chance)
  const copy: Tree = Array.isArray(value) ? [...value] : { ...value }
  const keys = Object.keys(copy)
  const at = copy as Record<string, unknown>
  const key = keys.length > 0 ? chance.pick(keys) : 'key'
  const kind = chance.below(12)
  if (kind < 6 && key in at) at[key] = isTree(at[key]) && chance.happens(0.8) ? mutated(chance, at[key]) : chance.pick(wilds)(chance)
  else if (kind < 8 && isTree(at[key])) at[key] = mutated(chance, at[key])
  else if (kind === 8) delete at[key]
  else if (kind === 9)
    Object.defineProperty(at, chance.pick(wildTexts), {
      value: chance.pick(wilds)(chance),
      enumerable: true,
      writable: true,
      configurable: true,
    })
  else if (kind === 10) at[key] = at[chance.pick(keys.length > 0 ? keys : ['key'])]
  else return chance.pick(wilds)(chance)
  return copy
}

const head = (short: number, limit: number, long: number, count: number) => {
  if (count < limit) return Buffer.from([short | count])
  const bytes = Buffer.alloc(5)
  bytes[0] = long
  bytes.writeUInt32BE(count, 1)
  return bytes
}

const float = (value: number) => {
  const bytes = Buffer.alloc(9)
  bytes[0] = 0xcb
  bytes.writeDoubleBE(value, 1)
  return bytes
}

function number(value: number): Buffer {
  if (!Number.isInteger(value) || Object.is(value, -0) || Math.abs(value) >= 2 ** 63) return float(value)
  if (value >= 0 && value < 128) return Buffer.from([value])
  const bytes = Buffer.alloc(9)
  bytes[0] = value < 0 ? 0xd3 : 0xcf
  if (value < 0) bytes.writeBigInt64BE(BigInt(value), 1)
  else bytes.writeBigUInt64BE(BigInt(value), 1)
  return bytes
}

/** MessagePack, written by other code than the product's. A key may be doubled, where `chance` is given. */
export function write(value: unknown, chance?: Chance): Buffer {
  if (value instanceof Raw) return Buffer.from(value.bytes)
  if (value === null) return Buffer.from([0xc0])
  if (value === undefined) return Buffer.from([0xd4, 0, 0])
  if (typeof value === 'boolean') return Buffer.from([value ? 0xc3 : 0xc2])
  if (typeof value === 'number') return number(value)
  if (typeof value === 'string') {
    const bytes = Buffer.from(value)
    return Buffer.concat([head(0xa0, 32, 0xdb, bytes.byteLength), bytes])
  }
  if (value instanceof Uint8Array) return Buffer.concat([head(0, 0, 0xc6, value.byteLength), value])
  if (Array.isArray(value)) return Buffer.concat([head(0x90, 16, 0xdd, value.length), ...Array.from(value, (one) => write(one, chance))])
  const entries = Object.entries(value as object)
  const written = entries.flatMap(([key, one]) => [write(key), write(one, chance)])
  if (chance?.happens(0.05) && entries.length > 0) written.push(...chance.pick(entries).map((one) => write(one)))
  return Buffer.concat([head(0x80, 16, 0xdf, written.length / 2), ...written])
}

/** Bits flipped, ends cut or lengthened, parts overwritten or doubled. */
export function scrambled(chance: Chance, bytes: Uint8Array): Buffer {
  const copy = Buffer.from(bytes)
  const at = chance.below(copy.byteLength + 1)
  switch (chance.below(6)) {
    case 0:
      for (let flips = chance.integer(1, 8); flips > 0 && copy.byteLength > 0; flips--)
        copy[chance.below(copy.byteLength)] ^= 1 << chance.below(8)
      return copy
    case 1:
      return copy.subarray(0, at)
    case 2:
      return Buffer.concat([copy, noise(chance, 64)])
    case 3:
      return Buffer.concat([copy.subarray(0, at), noise(chance, 16), copy.subarray(at)])
    case 4:
      copy.subarray(at, at + chance.integer(1, 9)).fill(chance.pick([0, 0x7f, 0xff, 0xc1]))
      return copy
    default:
      return Buffer.concat([copy, copy])
  }
}

/** Bytes of a message like this one, that is most likely not right. */
export function malformed(chance: Chance, example: unknown): Buffer {
  const kind = chance.below(10)
  if (kind < 2) return noise(chance, chance.happens(0.02) ? 20_000 : 300)
  if (kind < 6) return write(mutated(chance, example), chance)
  if (kind < 9) return scrambled(chance, write(example))
  return scrambled(chance, write(mutated(chance, example), chance))
}
