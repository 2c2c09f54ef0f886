import { LetheError } from '../../protocol/errors.ts'

/*
 * The safetensors format: u64 little-endian header length, a JSON header padded with spaces, then the tensors without gaps.
 * Source: https://github.com/huggingface/safetensors, "Format". Hosts are little-endian, as all that Node's typed arrays run on.
 */

/** A float tensor, row-major. What models consist of; F16 and BF16 are widened to it when read. */
export interface FloatTensor {
  name: string
  dtype: 'F32'
  shape: number[]
  data: Float32Array
}

export type NamedTensor =
  | FloatTensor
  | { name: string; dtype: 'F64'; shape: number[]; data: Float64Array }
  | { name: string; dtype: 'I64'; shape: number[]; data: BigInt64Array }
  | { name: string; dtype: 'I32'; shape: number[]; data: Int32Array }
  | { name: string; dtype: 'U8'; shape: number[]; data: Uint8Array }

export interface Safetensors {
  /** In the order of their bytes in the file. */
  tensors: Map<string, NamedTensor>
  /** The header's `__metadata__`; undefined where the file has none, so that writing gives the same bytes. */
  metadata: Record<string, string> | undefined
}

const maxHeaderBytes = 100_000_000
const elementBytes = { F64: 8, F32: 4, F16: 2, BF16: 2, I64: 8, I32: 4, U8: 1 } as const
type Dtype = keyof typeof elementBytes

interface Entry {
  name: string
  dtype: Dtype
  shape: number[]
  begin: number
  end: number
}

/** Throws CHECKPOINT_FORMAT for anything that the format does not allow: holes, overlaps, duplicate names, a wrong length. */
export function decodeSafetensors(bytes: Uint8Array): Safetensors {
  if (bytes.byteLength < 8) throw damaged('the file is shorter than a header', 'at least 8 bytes', `${bytes.byteLength} bytes`)
  const declared = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true)
  if (declared > BigInt(maxHeaderBytes)) throw damaged('the header is too long', `at most ${maxHeaderBytes} bytes`, `${declared} bytes`)
  const dataStart = 8 + Number(declared)
  if (dataStart > bytes.byteLength) throw damaged('the file ends inside its header', `${dataStart} bytes`, `${bytes.byteLength} bytes`)

  const header = parseHeader(bytes.subarray(8, dataStart))
  const { __metadata__: metadata, ...described } = header
  const entries = Object.entries(described).map(([name, value]) => entryOf(name, value))
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end)

  let reached = 0
  for (const { name, begin, end } of entries) {
    if (begin !== reached) throw damaged(`tensor ${quoted(name)} leaves a gap or overlaps another`, `offset ${reached}`, `${begin}`)
    reached = end
  }
  const payloadBytes = bytes.byteLength - dataStart
  if (reached !== payloadBytes) throw damaged('the tensors do not fill the file', `${reached} bytes of data`, `${payloadBytes} bytes`)

  // Not bytes.slice: a Buffer's slice does not copy.
  const tensors = entries.map((entry) => tensorOf(entry, Uint8Array.from(bytes.subarray(dataStart + entry.begin, dataStart + entry.end))))
  return { tensors: new Map(tensors.map((tensor) => [tensor.name, tensor])), metadata: metadataOf(metadata) }
}

/** Tensors in the order given; the header is padded with spaces so that the data start at a multiple of 8. */
export function encodeSafetensors(tensors: Iterable<NamedTensor>, metadata?: Record<string, string>): Uint8Array {
  const header: Record<string, unknown> = metadata === undefined ? {} : { __metadata__: metadata }
  const parts: NamedTensor[] = []
  let offset = 0
  for (const tensor of tensors) {
    const { name, dtype, shape, data } = tensor
    if (Object.hasOwn(header, name) || name === '__metadata__') throw damaged(`tensor ${quoted(name)} is given twice or reserved`)
    if (product(shape) !== data.length)
      throw damaged(`tensor ${quoted(name)} has another size than its shape`, `${product(shape)} elements`, `${data.length}`)
    header[name] = { dtype, shape, data_offsets: [offset, offset + data.byteLength] }
    offset += data.byteLength
    parts.push(tensor)
  }
  const json = Buffer.from(JSON.stringify(header))
  const headerBytes = Math.ceil(json.length / 8) * 8
  const bytes = new Uint8Array(8 + headerBytes + offset)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(headerBytes), true)
  bytes.fill(0x20, 8, 8 + headerBytes)
  bytes.set(json, 8)
  let position = 8 + headerBytes
  for (const { data } of parts) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), position)
    position += data.byteLength
  }
  return bytes
}

/** The values of one tensor as float32, whatever its type. Throws CHECKPOINT_TENSORS where it is missing. */
export function floats(tensors: ReadonlyMap<string, NamedTensor>, name: string): Float32Array {
  const tensor = tensors.get(name)
  if (!tensor) throw new LetheError('CHECKPOINT_TENSORS', { message: `tensor ${quoted(name)} is missing` })
  if (tensor.dtype === 'I64') return Float32Array.from(tensor.data, Number)
  return tensor.dtype === 'F32' ? tensor.data : new Float32Array(tensor.data)
}

function parseHeader(bytes: Uint8Array): Record<string, unknown> {
  if (bytes[0] !== 0x7b) throw damaged('the header does not begin with an opening brace')
  let text: string
  let header: unknown
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    header = JSON.parse(text)
  } catch (cause) {
    throw new LetheError('CHECKPOINT_FORMAT', { message: 'the header is not JSON', cause })
  }
  // JSON.parse keeps the last of two equal keys without a word; the format forbids them.
  if (keysIn(header) !== keysWritten(text)) throw damaged('the header has a duplicate key')
  return header as Record<string, unknown>
}

function keysIn(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  const children = Object.values(value).reduce<number>((sum, child) => sum + keysIn(child), 0)
  return Array.isArray(value) ? children : Object.keys(value).length + children
}

function keysWritten(json: string): number {
  let keys = 0
  for (let i = 0; i < json.length; i++) {
    if (json[i] !== '"') continue
    for (i++; json[i] !== '"'; i++) if (json[i] === '\\') i++
    let next = i + 1
    while (json[next] === ' ' || json[next] === '\n' || json[next] === '\r' || json[next] === '\t') next++
    if (json[next] === ':') keys++
  }
  return keys
}

function entryOf(name: string, value: unknown): Entry {
  if (typeof value !== 'object' || value === null) throw damaged(`tensor ${quoted(name)} is not described by an object`)
  const { dtype, shape, data_offsets: offsets, ...others } = value as Record<string, unknown>
  if (Object.keys(others).length > 0) throw damaged(`tensor ${quoted(name)} has an unknown key in the header`)
  if (typeof dtype !== 'string' || !Object.hasOwn(elementBytes, dtype)) {
    throw damaged(`tensor ${quoted(name)} has a type that Lethe does not read`, Object.keys(elementBytes).join(', '), quoted(String(dtype)))
  }
  if (!isSizes(shape)) throw damaged(`tensor ${quoted(name)} has no valid shape`)
  if (!isSizes(offsets) || offsets.length !== 2) throw damaged(`tensor ${quoted(name)} has no valid offsets`)
  const [begin, end] = offsets
  const expected = product(shape) * elementBytes[dtype as Dtype]
  if (end - begin !== expected)
    throw damaged(`tensor ${quoted(name)} has another size than its shape`, `${expected} bytes`, `${end - begin} bytes`)
  return { name, dtype: dtype as Dtype, shape, begin, end }
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.length <= 16 && value.every((size) => Number.isSafeInteger(size) && size >= 0)
}

function metadataOf(value: unknown): Record<string, string> | undefined {
  if (value === undefined) return undefined
  if (
    typeof value !== 'object' ||
    value === null ||
    Array.isArray(value) ||
    !Object.values(value).every((text) => typeof text === 'string')
  ) {
    throw damaged('__metadata__ is not a map from text to text')
  }
  return value as Record<string, string>
}

/** `bytes` is a copy that starts at offset 0 of its own buffer, so every view below is aligned. */
function tensorOf({ name, dtype, shape }: Entry, bytes: Uint8Array): NamedTensor {
  const { buffer } = bytes
  switch (dtype) {
    case 'F32':
      return { name, dtype, shape, data: new Float32Array(buffer) }
    case 'F64':
      return { name, dtype, shape, data: new Float64Array(buffer) }
    case 'I64':
      return { name, dtype, shape, data: new BigInt64Array(buffer) }
    case 'I32':
      return { name, dtype, shape, data: new Int32Array(buffer) }
    case 'U8':
      return { name, dtype, shape, data: bytes }
    case 'F16':
      return { name, dtype: 'F32', shape, data: Float32Array.from(new Uint16Array(buffer), halfToFloat) }
    case 'BF16':
      return {
        name,
        dtype: 'F32',
        shape,
        data: new Float32Array(Uint32Array.from(new Uint16Array(buffer), (bits) => (bits << 16) >>> 0).buffer),
      }
  }
}

/** IEEE 754 binary16, bits to value. */
function halfToFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 0x1f
  const fraction = bits & 0x3ff
  if (exponent === 0) return sign * fraction * 2 ** -24
  if (exponent === 0x1f) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}

function product(shape: readonly number[]): number {
  return shape.reduce((total, size) => total * size, 1)
}

function quoted(name: string): string {
  return JSON.stringify(name.length > 120 ? `${name.slice(0, 117)}...` : name)
}

function damaged(message: string, expected?: string, received?: string): LetheError {
  return new LetheError('CHECKPOINT_FORMAT', { message, expected, received })
}
