import type { RawData, WebSocket } from 'ws'
import { z } from 'zod'
import { LetheError } from '../../protocol/errors.ts'
import { decodeMessage, encodeMessage } from '../../protocol/frame.ts'
import { type MeshBulk, type MeshMessage, meshBulk } from '../../protocol/messages.ts'
import { segmentBytes } from '../../protocol/socket.ts'
import { type Frame, sendFrame, TransferReader, transferFrames } from '../../protocol/transfer.ts'

/** Segments that may be on their way in one socket: it stays busy, and a peer that is busy itself costs 32 MiB and no more. */
const windowSegments = 8

/** The other way: so many segments have been taken, and so many more may come. */
const creditSchema = z.strictObject({ credit: z.int().min(1).max(windowSegments) })
/** Frames are never so short. */
const maxCreditBytes = 32

export interface MeshSocketEvents {
  /** Bytes that a transfer may have, from its first header alone. */
  limit(message: MeshBulk): number
  onTransfer(message: MeshBulk, payload: Uint8Array<ArrayBuffer>): void
  /** What came is not valid; the socket closes. */
  onError(error: LetheError): void
  /** Once, however the socket ended. */
  onClose(): void
}

interface Outgoing {
  frames: Iterator<Frame, void>
  /** Segments that have not been sent. */
  left: number
  end(hasArrived: boolean): void
}

/** One socket between two workers, in both directions. A segment is sent only against a credit, and a credit says that one has arrived. */
export class MeshSocket {
  readonly #socket: WebSocket
  readonly #events: MeshSocketEvents
  readonly #reader: TransferReader<typeof meshBulk>
  readonly #stallMs: number
  readonly #queue: Outgoing[] = []
  /** One for each segment without a credit: the transfer that it ends, or null. */
  readonly #underWay: (Outgoing | null)[] = []
  #credits = windowSegments
  #loadBytes = 0
  #stall: NodeJS.Timeout | null = null
  #isOpen = true

  /** `stallMs`: a segment that has not arrived by then will not; its socket is given up. */
  constructor(socket: WebSocket, { stallMs }: { stallMs: number }, events: MeshSocketEvents) {
    this.#socket = socket
    this.#events = events
    this.#stallMs = stallMs
    this.#reader = new TransferReader(meshBulk, (message) => events.limit(message))
    // Head and payload as they were sent: the payload is not copied again.
    socket.binaryType = 'fragments'
    socket.on('message', (data: RawData, isBinary: boolean) => this.#receive(data as Buffer[], isBinary))
    socket.on('error', () => this.close())
    socket.on('close', () => this.close())
  }

  /** Bytes that are asked to be sent and have not arrived. */
  get loadBytes(): number {
    return this.#loadBytes
  }

  /** False where the socket ended before the transfer had arrived: it may have, or not. */
  send(message: MeshMessage, payload: Uint8Array): Promise<boolean> {
    if (!this.#isOpen) return Promise.resolve(false)
    return new Promise((resolve) => {
      const bytes = payload.byteLength
      this.#loadBytes += bytes
      const end = (hasArrived: boolean) => {
        this.#loadBytes -= bytes
        resolve(hasArrived)
      }
      this.#queue.push({ frames: transferFrames(message, payload), left: Math.max(1, Math.ceil(bytes / segmentBytes)), end })
      this.#pump()
    })
  }

  #pump(): void {
    while (this.#isOpen && this.#credits > 0 && this.#queue.length > 0) {
      const [transfer] = this.#queue
      const { value: frame } = transfer.frames.next()
      if (!frame) throw new LetheError('INTERNAL', { message: 'a transfer has fewer segments than its length says' })
      transfer.left -= 1
      if (transfer.left === 0) this.#queue.shift()
      this.#underWay.push(transfer.left === 0 ? transfer : null)
      this.#credits -= 1
      this.#stall ??= setTimeout(() => this.close(), this.#stallMs).unref()
      sendFrame(this.#socket, frame, () => {})
    }
  }

  #receive(data: readonly Buffer[], isBinary: boolean): void {
    if (!this.#isOpen) return
    try {
      if (!isBinary) throw new LetheError('CONNECTION_FRAME', { message: 'A worker sent text where bytes were agreed' })
      if (data.reduce((sum, { byteLength }) => sum + byteLength, 0) <= maxCreditBytes) return this.#take(Buffer.concat(data))
      const transfer = this.#reader.read(data)
      if (transfer) this.#events.onTransfer(transfer.message, transfer.payload)
      this.#socket.send(encodeMessage({ credit: 1 } satisfies z.output<typeof creditSchema>))
    } catch (error) {
      this.#events.onError(LetheError.from(error))
      this.close()
    }
  }

  #take(bytes: Uint8Array): void {
    const { credit } = decodeMessage(bytes, creditSchema)
    if (credit > this.#underWay.length) throw new LetheError('CONNECTION_FRAME', { message: 'A worker gave credit for what was not sent' })
    this.#credits += credit
    for (const transfer of this.#underWay.splice(0, credit)) transfer?.end(true)
    if (this.#stall) clearTimeout(this.#stall)
    this.#stall = this.#underWay.length > 0 ? setTimeout(() => this.close(), this.#stallMs).unref() : null
    this.#pump()
  }

  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    if (this.#stall) clearTimeout(this.#stall)
    this.#socket.terminate()
    for (const transfer of [...this.#underWay.splice(0), ...this.#queue.splice(0)]) transfer?.end(false)
    this.#events.onClose()
  }
}
