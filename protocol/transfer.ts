import { isDeepStrictEqual } from 'node:util'
import type { z } from 'zod'
import { checksum } from './checksum.ts'
import { LetheError } from './errors.ts'
import { decodeFrame, encodeHead, type FrameBytes } from './frame.ts'
import { segmentBytes } from './socket.ts'

/*
 * A transfer is one message with a payload of any length, cut into frames. Segments of one transfer follow each other without another
 * transfer between them; the receiver knows from the first one how much will come, and checks each as it comes.
 */

/** Largest transfer that one buffer holds. */
const maxTransferBytes = 2 ** 32 - 1
/** Parameters, optimizer moments, averages, and room for more. */
const stateBytesPerParameter = 32
const stateExtraBytes = 16 * 2 ** 20

/** Bytes that the state, or a checkpoint file, of a model with so many parameters may have. */
export function stateBytesLimit(parameterCount: number): number {
  return Math.min(maxTransferBytes, stateBytesPerParameter * parameterCount + stateExtraBytes)
}

interface Segment {
  /** Of this segment's payload. */
  checksum: string
  /** Of the whole transfer. */
  totalBytes: number
  offset: number
}

/** Head and payload, which are sent without copying them together. */
export type Frame = readonly [head: Uint8Array, payload: Uint8Array]

/** The frames of a transfer, made one by one as they are sent. */
export function* transferFrames(message: object, payload: Uint8Array): Generator<Frame> {
  const totalBytes = payload.byteLength
  for (let offset = 0; offset === 0 || offset < totalBytes; offset += segmentBytes) {
    const segment = payload.subarray(offset, offset + segmentBytes)
    yield [encodeHead({ ...message, checksum: checksum(segment), totalBytes, offset }, segment.byteLength), segment]
  }
}

interface FrameSocket {
  send(bytes: Uint8Array, options: { binary: boolean; fin: boolean }, done: (error?: Error | null) => void): void
}

/** One WebSocket message in two fragments. `done` once the socket has taken it. */
export function sendFrame(socket: FrameSocket, [head, payload]: Frame, done: (error?: Error | null) => void): void {
  if (payload.byteLength === 0) return socket.send(head, { binary: true, fin: true }, done)
  // An error of the first fragment is that of the second as well.
  socket.send(head, { binary: true, fin: false }, () => {})
  socket.send(payload, { binary: true, fin: true }, done)
}

/** Sends frames one by one; the next is made only when the socket has taken the last, so a slow peer costs one frame of memory. */
export async function sendFrames(socket: FrameSocket, frames: Iterable<Frame>): Promise<void> {
  for (const frame of frames)
    await new Promise<void>((resolve, reject) => sendFrame(socket, frame, (error) => (error ? reject(error) : resolve())))
}

function invalid(message: string): LetheError {
  return new LetheError('CONNECTION_FRAME', { message })
}

const kindOf = <Message extends Segment>({ checksum: _checksum, offset: _offset, ...message }: Message) => message

/** Is this the start of a buffer that nothing else looks at? */
const isAlone = (bytes: Uint8Array): bytes is Uint8Array<ArrayBuffer> =>
  bytes.byteOffset === 0 && bytes.buffer instanceof ArrayBuffer && bytes.buffer.byteLength === bytes.byteLength

/**
 * Puts the segments of one socket together. Buffers start at 0 and are as long as their payload, so that any typed array can look at them.
 * A socket whose `binaryType` is `fragments` spares it a copy.
 */
export class TransferReader<Schema extends z.ZodType<Segment>> {
  readonly #schema: Schema
  readonly #limit: (message: z.output<Schema>) => number
  #open: { message: z.output<Schema>; bytes: Uint8Array<ArrayBuffer>; received: number } | null = null

  /** `limit` says how many bytes a transfer may have, from its first header alone; it may throw to refuse it. */
  constructor(schema: Schema, limit: (message: z.output<Schema>) => number) {
    this.#schema = schema
    this.#limit = limit
  }

  /**
   * @returns the transfer that this frame completes, or null.
   * @throws LetheError CONNECTION_FRAME for whatever is wrong; the socket must then be closed.
   */
  read(frame: FrameBytes): { message: z.output<Schema>; payload: Uint8Array<ArrayBuffer> } | null {
    const { header, payload } = decodeFrame(frame, this.#schema, { payloadBytes: segmentBytes })
    const { totalBytes, offset } = header
    if (this.#open === null) {
      if (offset !== 0) throw invalid('A transfer starts in its middle')
      if (totalBytes > this.#limit(header)) throw invalid('A transfer is longer than what was asked for')
    } else if (offset !== this.#open.received || !isDeepStrictEqual(kindOf(header), kindOf(this.#open.message))) {
      throw invalid('Segments of a transfer do not follow each other')
    }
    if (payload.byteLength !== Math.min(segmentBytes, totalBytes - offset)) throw invalid('A segment does not have the agreed length')
    if (checksum(payload) !== header.checksum) throw invalid('A segment does not have the checksum that it declares')
    if (this.#open === null && payload.byteLength === totalBytes && isAlone(payload)) return { message: header, payload }
    this.#open ??= { message: header, bytes: new Uint8Array(totalBytes), received: 0 }
    const open = this.#open
    open.bytes.set(payload, offset)
    open.received += payload.byteLength
    if (open.received < totalBytes) return null
    this.#open = null
    return { message: open.message, payload: open.bytes }
  }
}
