import { createHash, type Hash } from 'node:crypto'
import type { z } from 'zod'
import { sha256 } from './digest.ts'
import { LetheError } from './errors.ts'
import { decodeFrame, encodeFrame } from './frame.ts'
import { segmentBytes } from './socket.ts'

/*
 * A transfer is one message with a payload of any length, cut into frames. Segments of one transfer follow each other without another
 * transfer between them; the receiver knows from the first one how much will come, and hashes as it comes.
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
  sha256: string
  totalBytes: number
  offset: number
}

/** The frames of a transfer, made one by one as they are sent. */
export function* transferFrames(message: object, payload: Uint8Array): Generator<Uint8Array> {
  const digest = sha256(payload)
  for (let offset = 0; offset === 0 || offset < payload.byteLength; offset += segmentBytes) {
    const header = { ...message, sha256: digest, totalBytes: payload.byteLength, offset }
    yield encodeFrame(header, [payload.subarray(offset, offset + segmentBytes)])
  }
}

interface FrameSocket {
  send(frame: Uint8Array, options: { binary: boolean }, done: (error?: Error | null) => void): void
}

/** Sends frames one by one; the next is made only when the socket has taken the last, so a slow peer costs one frame of memory. */
export async function sendFrames(socket: FrameSocket, frames: Iterable<Uint8Array>): Promise<void> {
  for (const frame of frames)
    await new Promise<void>((resolve, reject) => socket.send(frame, { binary: true }, (error) => (error ? reject(error) : resolve())))
}

function invalid(message: string): LetheError {
  return new LetheError('CONNECTION_FRAME', { message })
}

/** Puts the segments of one socket together. Buffers start at a multiple of 8, so that any typed array can look at them. */
export class TransferReader<Schema extends z.ZodType<Segment>> {
  readonly #schema: Schema
  readonly #limit: (message: z.output<Schema>) => number
  #open: { message: z.output<Schema>; bytes: Uint8Array; received: number; hash: Hash } | null = null

  /** `limit` says how many bytes a transfer may have, from its first header alone; it may throw to refuse it. */
  constructor(schema: Schema, limit: (message: z.output<Schema>) => number) {
    this.#schema = schema
    this.#limit = limit
  }

  /**
   * @returns the transfer that this frame completes, or null.
   * @throws LetheError CONNECTION_FRAME for whatever is wrong; the socket must then be closed.
   */
  read(frame: Uint8Array): { message: z.output<Schema>; payload: Uint8Array<ArrayBuffer> } | null {
    const { header, payload } = decodeFrame(frame, this.#schema, { payloadBytes: segmentBytes })
    if (this.#open === null) {
      if (header.offset !== 0) throw invalid('A transfer starts in its middle')
      if (header.totalBytes > this.#limit(header)) throw invalid('A transfer is longer than what was asked for')
      this.#open = { message: header, bytes: new Uint8Array(header.totalBytes), received: 0, hash: createHash('sha256') }
    }
    const { message, bytes, hash } = this.#open
    if (header.sha256 !== message.sha256 || header.totalBytes !== message.totalBytes || header.offset !== this.#open.received)
      throw invalid('Segments of a transfer do not follow each other')
    const expected = Math.min(segmentBytes, bytes.byteLength - header.offset)
    if (payload.byteLength !== expected) throw invalid('A segment does not have the agreed length')
    bytes.set(payload, header.offset)
    hash.update(payload)
    this.#open.received += payload.byteLength
    if (this.#open.received < bytes.byteLength) return null
    this.#open = null
    if (hash.digest('hex') !== message.sha256) throw invalid('A transfer does not have the digest that it declares')
    return { message, payload: bytes as Uint8Array<ArrayBuffer> }
  }
}
