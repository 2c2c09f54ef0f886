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

/** What stands before the payload of a frame. @throws LetheError INTERNAL where a part is above its limit. */
export function encodeHead(header: unknown, payloadBytes: number): Uint8Array {
  const packed = pack(header)
  if (packed.byteLength > frameLimits.headerBytes)
    throw new LetheError('INTERNAL', { message: `A frame header of ${packed.byteLength} bytes is above the limit` })
  if (payloadBytes > frameLimits.payloadBytes)
    throw new LetheError('INTERNAL', { message: `A frame payload of ${payloadBytes} bytes is above the limit` })
  const head = Buffer.alloc(payloadStart(packed.byteLength))
  head.set(magic)
  head.writeUInt32LE(packed.byteLength, 4)
  head.writeBigUInt64LE(BigInt(payloadBytes), 8)
  head.set(packed, preludeBytes)
  return head
}

/**
 * Copies each piece of the payload once, into the frame.
 * @throws LetheError INTERNAL where a part is above its limit.
 */
export function encodeFrame(header: unknown, payload: readonly Uint8Array[]): Uint8Array {
  const payloadBytes = payload.reduce((sum, piece) => sum + piece.byteLength, 0)
  const head = encodeHead(header, payloadBytes)
  // Not of Node's shared pool, so that the frame, and with it the payload, is aligned in memory.
  const frame = Buffer.allocUnsafeSlow(head.byteLength + payloadBytes)
  let position = 0
  for (const piece of [head, ...payload]) {
    frame.set(piece, position)
    position += piece.byteLength
  }
  return frame
}

/** A frame as a socket gives it: in one piece, or in the pieces that were sent. */
export type FrameBytes = Uint8Array | readonly Uint8Array[]

const lengthOf = (pieces: readonly Uint8Array[]) => pieces.reduce((sum, piece) => sum + piece.byteLength, 0)

/**
 * The parts of a frame. The payload is a view of the bytes, or a copy where it would not be aligned for typed arrays.
 * @throws LetheError CONNECTION_FRAME for whatever is wrong with the bytes.
 */
export function decodeFrame<Schema extends z.ZodType>(
  frame: FrameBytes,
  schema: Schema,
  limits: Partial<FrameLimits> = {},
): { header: z.output<Schema>; payload: Uint8Array } {
  if (frame instanceof Uint8Array) {
    const { header, start } = decodeHead(frame, frame.byteLength, schema, limits)
    return { header, payload: aligned(frame.subarray(start)) }
  }
  const [head, payload] = frame
  if (frame.length !== 2 || !isWholeHead(head)) return decodeFrame(Buffer.concat(frame), schema, limits)
  return { header: decodeHead(head, lengthOf(frame), schema, limits).header, payload: aligned(payload) }
}

const headerBytesOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(4, true)
const isWholeHead = (bytes: Uint8Array) => bytes.byteLength >= preludeBytes && bytes.byteLength === payloadStart(headerBytesOf(bytes))
/** A plain view, whatever kind of Buffer it was. */
function aligned({ buffer, byteOffset, byteLength }: Uint8Array): Uint8Array {
  const view = new Uint8Array(buffer, byteOffset, byteLength)
  return byteOffset % elementAlignment === 0 ? view : view.slice()
}

/** `bytes` hold at least the head of a frame of `frameBytes`; the payload begins at `start`. */
function decodeHead<Schema extends z.ZodType>(
  bytes: Uint8Array,
  frameBytes: number,
  schema: Schema,
  limits: Partial<FrameLimits>,
): { header: z.output<Schema>; start: number } {
  const { headerBytes: maxHeaderBytes, payloadBytes: maxPayloadBytes } = { ...frameLimits, ...limits }
  if (bytes.byteLength < preludeBytes) throw invalid('A frame is cut short', { received: `${bytes.byteLength} bytes` })
  if (magic.some((byte, i) => bytes[i] !== byte)) throw invalid('The bytes are not a Lethe frame', { expected: 'LTH1 at the start' })
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const headerBytes = headerBytesOf(bytes)
  const payloadBytes = view.getUint32(8, true) + view.getUint32(12, true) * 2 ** 32
  if (headerBytes > maxHeaderBytes)
    throw invalid('A frame header is too large', { expected: `at most ${maxHeaderBytes} bytes`, received: `${headerBytes}` })
  if (payloadBytes > maxPayloadBytes)
    throw invalid('A frame payload is too large', { expected: `at most ${maxPayloadBytes} bytes`, received: `${payloadBytes}` })
  const start = payloadStart(headerBytes)
  if (frameBytes !== start + payloadBytes)
    throw invalid('A frame does not have the length that it declares', {
      expected: `${start + payloadBytes} bytes`,
      received: `${frameBytes}`,
    })
  for (let i = preludeBytes + headerBytes; i < start; i++) if (bytes[i] !== 0) throw invalid('The padding of a frame is not zero')
  return { header: parse(bytes.subarray(preludeBytes, preludeBytes + headerBytes), schema, 'frame header'), start }
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
