import { randomBytes } from 'node:crypto'
import type { RawData, WebSocket } from 'ws'
import { cutText, LetheError } from '../../protocol/errors.ts'
import { decodeMessage, encodeMessage } from '../../protocol/frame.ts'
import {
  type CoordinatorBulk,
  type CoordinatorMessage,
  type Unsent,
  type WorkerBulk,
  type WorkerMessage,
  workerBulk,
  workerMessage,
} from '../../protocol/messages.ts'
import { sendFrames, TransferReader, transferFrames } from '../../protocol/transfer.ts'

export interface PeerEvents {
  onMessage(peer: Peer, message: WorkerMessage): void
  onBulk(peer: Peer, message: WorkerBulk, payload: Uint8Array<ArrayBuffer>): void
  /** Bytes that a transfer may have; throws to refuse it. */
  limit(peer: Peer, message: WorkerBulk): number
  onReady(peer: Peer): void
  /** Once, however it ended. */
  onClose(peer: Peer, reason: string): void
}

/** One worker as the coordinator sees it: its two sockets. Whatever is not a valid message closes both. */
export class Peer {
  readonly worker: string
  /** Ties the bulk socket to this worker. */
  readonly memberKey = randomBytes(32).toString('hex')
  readonly #control: WebSocket
  readonly #events: PeerEvents
  #bulk: WebSocket | null = null
  #sending: Promise<void> = Promise.resolve()
  #isOpen = true

  constructor(worker: string, control: WebSocket, events: PeerEvents) {
    this.worker = worker
    this.#control = control
    this.#events = events
    this.#watch(control, (bytes) => events.onMessage(this, decodeMessage(bytes, workerMessage)))
  }

  get hasBulk(): boolean {
    return this.#bulk !== null
  }

  attachBulk(bulk: WebSocket): void {
    this.#bulk = bulk
    const reader = new TransferReader(workerBulk, (message) => this.#events.limit(this, message))
    this.#watch(bulk, (bytes) => {
      const transfer = reader.read(bytes)
      if (transfer) this.#events.onBulk(this, transfer.message, transfer.payload)
    })
    this.#events.onReady(this)
  }

  send(message: CoordinatorMessage): void {
    if (this.#isOpen) this.#control.send(encodeMessage(message))
  }

  /** Transfers leave in the order of the calls. */
  sendBulk(message: Unsent<CoordinatorBulk>, payload: Uint8Array | Promise<Uint8Array>): void {
    this.#sendFrames(async () => transferFrames(message, await payload))
  }

  /** The same for frames that are made once for many peers. */
  sendBulkFrames(frames: readonly Uint8Array[]): void {
    this.#sendFrames(() => frames)
  }

  #sendFrames(frames: () => Iterable<Uint8Array> | Promise<Iterable<Uint8Array>>): void {
    this.#sending = this.#sending
      .then(async () => {
        if (this.#isOpen && this.#bulk) await sendFrames(this.#bulk, await frames())
      })
      .catch((error: Error) => this.close(`bulk socket: ${error.message}`))
  }

  /** Tells the worker the error, then parts from it. */
  fail(error: LetheError): void {
    this.send({ type: 'fail', error: error.toWire() })
    this.#end(error.format(), 'close')
  }

  finish(reason: string): void {
    this.send({ type: 'finish', reason: cutText(reason) })
    this.#end(reason, 'close')
  }

  /** Parts at once; a worker that lives will join again. */
  close(reason: string): void {
    this.#end(reason, 'terminate')
  }

  #watch(socket: WebSocket, receive: (bytes: Uint8Array) => void): void {
    socket.on('message', (data: RawData, isBinary: boolean) => {
      if (!this.#isOpen) return
      try {
        if (!isBinary) throw new LetheError('CONNECTION_FRAME', { message: 'A peer sent text where bytes were agreed' })
        receive(data as Buffer)
      } catch (error) {
        this.fail(LetheError.from(error))
      }
    })
    socket.on('error', (error) => this.close(`socket: ${error.message}`))
    socket.on('close', () => this.close('the connection closed'))
  }

  #end(reason: string, how: 'close' | 'terminate'): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#control[how]()
    this.#bulk?.[how]()
    this.#events.onClose(this, reason)
  }
}
