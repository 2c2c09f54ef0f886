import type { WebSocket } from 'ws'
import { dial } from '../../protocol/dial.ts'
import { LetheError } from '../../protocol/errors.ts'
import { type CoordinatorBulk, coordinatorBulk, type Unsent, type WorkerBulk } from '../../protocol/messages.ts'
import { bulkMessageBytes, bulkPath, heldHeader, memberHeader } from '../../protocol/socket.ts'
import { clientTls, type TlsFiles } from '../../protocol/tls.ts'
import { sendFrames, TransferReader, transferFrames } from '../../protocol/transfer.ts'
import type { Watermark } from './watermark.ts'

export interface BulkOptions {
  url: string
  token: string
  memberKey: string
  /** The worker has a session of this run already. */
  isHeld: boolean
  tls?: TlsFiles
  watermark: Watermark
  /** Bytes that a transfer may have, from its first header alone. */
  limit(message: CoordinatorBulk): number
  onTransfer(message: CoordinatorBulk, payload: Uint8Array<ArrayBuffer>): void
  /** What came is not valid. */
  onError(error: LetheError): void
  /** Once, however the socket ended. */
  onClose(): void
}

/** The socket to the coordinator that carries tensors. */
export class BulkSocket {
  readonly #socket: WebSocket
  readonly #watermark: Watermark
  #sending: Promise<void> = Promise.resolve()

  private constructor(socket: WebSocket, { watermark, onClose }: BulkOptions) {
    this.#socket = socket
    this.#watermark = watermark
    socket.once('close', onClose)
  }

  /** @throws LetheError CONNECTION_REFUSED where nobody listens, else the coordinator's own refusal. */
  static async open(options: BulkOptions): Promise<BulkSocket> {
    const { url, token, memberKey, isHeld, tls, watermark } = options
    const reader = new TransferReader(coordinatorBulk, options.limit)
    const socket = await dial({
      url,
      path: bulkPath,
      token,
      maxBytes: bulkMessageBytes,
      headers: { [memberHeader]: memberKey, ...(isHeld && { [heldHeader]: 'yes' }) },
      tls: tls && clientTls(tls),
      onMessage: (frame) => {
        try {
          watermark.add('bytes', frame.byteLength)
          const transfer = reader.read(frame)
          if (transfer) options.onTransfer(transfer.message, transfer.payload)
        } catch (error) {
          options.onError(LetheError.from(error))
        }
      },
    })
    return new BulkSocket(socket, options)
  }

  /** Transfers leave in the order of the calls. Does nothing once the socket is closed: that tells by its own event. */
  send(message: Unsent<WorkerBulk>, payload: Uint8Array): Promise<void> {
    const sent = this.#sending.then(async () => {
      if (this.#socket.readyState !== this.#socket.OPEN) return
      await sendFrames(this.#socket, transferFrames(message, payload))
      this.#watermark.add('bytes', payload.byteLength)
    })
    this.#sending = sent.catch(() => {})
    return this.#sending
  }

  close(): void {
    this.#socket.terminate()
  }
}
