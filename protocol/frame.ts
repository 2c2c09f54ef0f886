import type { z } from 'zod'
import { LetheError } from './errors.ts'
import { pack, unpack } from './msgpack.ts'

/*
 * What travels on a socket. A message is one MessagePack value. A frame carries tensors:
 *
 *   0  'LTH1'
 *   4  u32 little endian: header bytes
 *   8  u64 little endian: payload bytes
 *  16  header: one MessagePack value
 *      zeros up to a multiple of 64
 *      payload: raw bytes, to the end
 */

const magic = Uint8Array.from([0x4c, 0x54, 0x48, 0x31])
const preludeBytes = 16
const payloadAlignment = 64
/** What a view of any typed array needs. */
const elementAlignment = 8

export interface FrameLimits {
  headerBytes: number
  payloadBytes: number
}

export const frameLimits: Readonly<FrameLimits> = { headerBytes: 64 * 1024, payloadBytes: 256 * 1024 * 1024 }
export const maxMessageBytes = 1024 * 1024

const payloadStart = (headerBytes: number) => Math.ceil((preludeBytes + headerBytes) / payloadAlignment) * payloadAlignment

function invalid(message: string, details: { expected?: string; received?: string; cause?: unknown } = {}): LetheError {
  return new LetheError('CONNECTION_FRAME', { message, ...details })
}

/** Unpacks and checks; an error names where a value is wrong and how, never the value. */
function parse<Schema extends z.ZodType>(bytes: Uint8Array, schema: Schema, what: string): z.output<Schema> {
  let result: z.ZodSafeParseResult<z.output<Schema>>
  try {
    result = schema.safeParse(unpack(bytes))
  } catch (cause) {
    const received = cause instanceof Error ? cause.message : undefined
    throw invalid(`The ${what} is not MessagePack that Lethe accepts`, { received, cause })
  }
  if (result.success) return result.data
  const [issue] = result.error.issues
  const where = issue.path.map(String).join('.').slice(0, 80)
  throw invalid(`The ${what} does not have the agreed form`, { received: where ? `${issue.code} at ${where}` : issue.code })
}

/**
 * Copies each piece of the payload once, into the frame.
 * @throws LetheError INTERNAL where a part is above its limit.
 */
export function encodeFrame(header: unknown, payload: readonly Uint8Array[]): Uint8Array {
  const packed = pack(header)
  const payloadBytes = payload.reduce((sum, piece) => sum + piece.byteLength, 0)
  if (packed.byteLength > frameLimits.headerBytes)
    throw new LetheError('INTERNAL', { message: `A frame header of ${packed.byteLength} bytes is above the limit` })
  if (payloadBytes > frameLimits.payloadBytes)
    throw new LetheError('INTERNAL', { message: `A frame payload of ${payloadBytes} bytes is above the limit` })

  const start = payloadStart(packed.byteLength)
  // Not of Node's shared pool, so that the frame, and with it the payload, is aligned in memory.
  const frame = Buffer.allocUnsafeSlow(start + payloadBytes)
  frame.set(magic)
  frame.writeUInt32LE(packed.byteLength, 4)
  frame.writeBigUInt64LE(BigInt(payloadBytes), 8)
  frame.set(packed, preludeBytes)
  frame.fill(0, preludeBytes + packed.byteLength, start)
  let position = start
  for (const piece of payload) {
    frame.set(piece, position)
    position += piece.byteLength
  }
  return frame
}

/**
 * The parts of a frame. The payload is a view of `bytes`, or a copy where it would not be aligned for typed arrays.
 * @throws LetheError CONNECTION_FRAME for whatever is wrong with the bytes.
 */
export function decodeFrame<Schema extends z.ZodType>(
  bytes: Uint8Array,
  schema: Schema,
  limits: Partial<FrameLimits> = {},
): { header: z.output<Schema>; payload: Uint8Array } {
  const { headerBytes: maxHeaderBytes, payloadBytes: maxPayloadBytes } = { ...frameLimits, ...limits }
  if (bytes.byteLength < preludeBytes) throw invalid('A frame is cut short', { received: `${bytes.byteLength} bytes` })
  if (magic.some((byte, i) => bytes[i] !== byte)) throw invalid('The bytes are not a Lethe frame', { expected: 'LTH1 at the start' })
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const headerBytes = view.getUint32(4, true)
  const payloadBytes = view.getUint32(8, true) + view.getUint32(12, true) * 2 ** 32
  if (headerBytes > maxHeaderBytes)
    throw invalid('A frame header is too large', { expected: `at most ${maxHeaderBytes} bytes`, received: `${headerBytes}` })
  if (payloadBytes > maxPayloadBytes)
    throw invalid('A frame payload is too large', { expected: `at most ${maxPayloadBytes} bytes`, received: `${payloadBytes}` })
  const start = payloadStart(headerBytes)
  if (bytes.byteLength !== start + payloadBytes)
    throw invalid('A frame does not have the length that it declares', {
      expected: `${start + payloadBytes} bytes`,
      received: `${bytes.byteLength}`,
    })
  for (let i = preludeBytes + headerBytes; i < start; i++) if (bytes[i] !== 0) throw invalid('The padding of a frame is not zero')

  const header = parse(bytes.subarray(preludeBytes, preludeBytes + headerBytes), schema, 'frame header')
  const payload = new Uint8Array(bytes.buffer, bytes.byteOffset + start, payloadBytes)
  return { header, payload: payload.byteOffset % elementAlignment === 0 ? payload : payload.slice() }
}

/** @throws LetheError INTERNAL where the message is above 1 MiB. */
export function encodeMessage(message: unknown): Uint8Array {
  const bytes = pack(message)
  if (bytes.byteLength > maxMessageBytes)
    throw new LetheError('INTERNAL', { message: `A message of ${bytes.byteLength} bytes is above the limit` })
  return bytes
}

/** @throws LetheError CONNECTION_FRAME for whatever is wrong with the bytes. */
export function decodeMessage<Schema extends z.ZodType>(bytes: Uint8Array, schema: Schema): z.output<Schema> {
  if (bytes.byteLength > maxMessageBytes)
    throw invalid('A message is too large', { expected: `at most ${maxMessageBytes} bytes`, received: `${bytes.byteLength}` })
  return parse(bytes, schema, 'message')
}
