import { Packr } from 'msgpackr/pack'

/*
 * MessagePack for values that JSON could hold, plus byte strings and undefined. The bytes are walked before they are parsed: the
 * parser recurses and knows extensions (records, regular expressions, errors, references) that a peer has no business to send.
 */

/** Arrays and maps inside each other. */
export const maxDepth = 32
/** Values in one message, keys included. */
export const maxValues = 65_536

// The entry 'msgpackr/pack' is plain JavaScript: no native string reader touches a peer's bytes.
const packr = new Packr({ useRecords: false, variableMapSize: true, int64AsType: 'number', copyBuffers: true })

/** Bytes that follow the first one of each scalar form, by that first byte. */
const scalarBytes: Readonly<Record<number, number>> = {
  192: 0, // nil
  194: 0, // false
  195: 0, // true
  202: 4, // float 32
  203: 8, // float 64
  204: 1, // uint 8, 16, 32, 64
  205: 2,
  206: 4,
  207: 8,
  208: 1, // int 8, 16, 32, 64
  209: 2,
  210: 4,
  211: 8,
}

/** Bytes of the length field of strings and byte strings, by first byte. */
const lengthBytes: Readonly<Record<number, number>> = { 196: 1, 197: 2, 198: 4, 217: 1, 218: 2, 219: 4 }

/** Bytes of the length field of arrays and maps, by first byte. */
const countBytes: Readonly<Record<number, number>> = { 220: 2, 221: 4, 222: 2, 223: 4 }

interface Container {
  isMap: boolean
  /** Values still to come; a map has two for each entry. */
  left: number
}

/** The same three tables by byte, 255 where a byte is in none. */
const table = (bytes: Readonly<Record<number, number>>) => Uint8Array.from({ length: 256 }, (_, byte) => bytes[byte] ?? 255)
const scalarTable = table(scalarBytes)
const lengthTable = table(lengthBytes)
const countTable = table(countBytes)

const isStringByte = (byte: number) => (byte >= 0xa0 && byte < 0xc0) || (byte >= 0xd9 && byte <= 0xdb)

/**
 * Walks the bytes without recursion and without building anything.
 * @returns what is wrong, as the end of a sentence, or null where `unpack` may be called.
 */
function fault(bytes: Uint8Array): string | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const open: Container[] = [{ isMap: false, left: 1 }]
  let position = 0
  let values = 0

  const unsigned = (size: number) => (size === 1 ? bytes[position] : size === 2 ? view.getUint16(position) : view.getUint32(position))

  while (open.length > 0) {
    const inside = open[open.length - 1]
    if (inside.left === 0) {
      open.pop()
      continue
    }
    const isKey = inside.isMap && inside.left % 2 === 0
    inside.left -= 1
    if (++values > maxValues) return 'holds too many values'
    if (position >= bytes.length) return 'is cut short'
    const byte = bytes[position++]
    if (isKey && !isStringByte(byte)) return 'has a key that is not a string'

    if (byte < 0x80 || byte >= 0xe0) continue
    if (byte >= 0xa0 && byte < 0xc0) {
      position += byte - 0xa0
    } else if (scalarTable[byte] !== 255) {
      const size = scalarTable[byte]
      if (position + size > bytes.length) return 'is cut short'
      if (byte === 0xcf && view.getUint32(position) > 0x1fffff) return 'holds an integer above 2^53 - 1'
      if (byte === 0xd3 && (view.getInt32(position) > 0x1fffff || view.getInt32(position) < -0x200000))
        return 'holds an integer beyond ±2^53'
      position += size
    } else if (lengthTable[byte] !== 255) {
      const size = lengthTable[byte]
      if (position + size > bytes.length) return 'is cut short'
      position += size + unsigned(size)
    } else if (byte < 0xa0 || countTable[byte] !== 255) {
      const size = byte < 0xa0 ? 0 : countTable[byte]
      if (position + size > bytes.length) return 'is cut short'
      const count = byte < 0xa0 ? byte & 0x0f : unsigned(size)
      position += size
      const isMap = byte < 0x90 || byte >= 0xde
      const left = isMap ? 2 * count : count
      if (left > bytes.length - position) return 'is cut short'
      if (open.length > maxDepth) return 'is nested too deeply'
      open.push({ isMap, left })
    } else if (byte === 0xd4 && bytes[position] === 0 && bytes[position + 1] === 0) {
      position += 2 // undefined
    } else {
      return 'holds a MessagePack extension'
    }
    if (position > bytes.length) return 'is cut short'
  }
  return position === bytes.length ? null : 'has bytes left over'
}

/** @throws TypeError for a value that `unpack` would refuse. */
export function pack(value: unknown): Uint8Array {
  const bytes = packr.pack(value)
  const wrong = fault(bytes)
  if (wrong !== null) throw new TypeError(`a message ${wrong}`)
  return bytes
}

/** @throws TypeError where the bytes are not exactly one value of the allowed kinds. */
export function unpack(bytes: Uint8Array): unknown {
  const wrong = fault(bytes)
  if (wrong !== null) throw new TypeError(`the message ${wrong}`)
  // A view of its own, because the parser leaves a property on what it is given.
  return packr.unpack(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength))
}
