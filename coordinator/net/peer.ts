import { randomBytes } from 'node:crypto'
import type { RawData, WebSocket } from 'ws'
import { Channel } from '../../protocol/channel.ts'
import { cutText, LetheError } from '../../protocol/errors.ts'
import {
  type CoordinatorBulk,
  type CoordinatorMessage,
  type DownPacket,
  type Unsent,
  type UpPacket,
  type WorkerBulk,
  type WorkerMessage,
  workerBulk,
} from '../../protocol/messages.ts'
import { type Frame, sendFrames, TransferReader, transferFrames } from '../../protocol/transfer.ts'

export interface PeerEvents {
  /** Puts a packet on the bus. */
  publish(peer: Peer, packet: Omit<DownPacket, 'epoch'>): void
  onMessage(peer: Peer, message: WorkerMessage): void
  onBulk(peer: Peer, message: WorkerBulk, payload: Uint8Array<ArrayBuffer>): void
  /** Bytes that a transfer may have; throws to refuse it. */
  limit(peer: Peer, message: WorkerBulk): number
  /** Its bulk socket is there. */
  onReady(peer: Peer, holdsSession: boolean): void
  /** Once, however it ended. */
  onClose(peer: Peer, reason: string): void
}

/** A worker that says nothing on its bulk socket for so long after the last word is cut off. */
const lastWordMs = 2000

/** One worker as the coordinator sees it: a channel on the bus and a bulk socket. Whatever is not a valid message ends both. */
export class Peer {
  readonly worker: string
  readonly fingerprint: string
  readonly host: string
  /** Opens the bulk socket, and stands in every packet of this worker. */
  readonly memberKey = randomBytes(32).toString('hex')
  readonly address = randomBytes(16).toString('hex')
  readonly #events: PeerEvents
  readonly #channel: Channel<CoordinatorMessage, WorkerMessage>
  #bulk: WebSocket | null = null
  #sending: Promise<void> = Promise.resolve()
  #isOpen = true

  constructor(worker: string, who: { fingerprint: string; host: string }, events: PeerEvents) {
    this.worker = worker
    this.fingerprint = who.fingerprint
    this.host = who.host
    this.#events = events
    this.#channel = new Channel({
      send: (packet) => events.publish(this, packet),
      deliver: (message) => {
        if (this.#isOpen) events.onMessage(this, message)
      },
    })
  }

  get hasBulk(): boolean {
    return this.#bulk !== null
  }

  /** Has everything that was posted arrived? */
  get isHeard(): boolean {
    return this.#channel.unacknowledged === 0
  }

  receive(packet: UpPacket): void {
    this.#guard(() => this.#channel.receive(packet, performance.now()))
  }

  tick(now: number): void {
    this.#channel.tick(now)
  }

  attachBulk(bulk: WebSocket, holdsSession: boolean): void {
    this.#bulk = bulk
    const reader = new TransferReader(workerBulk, (message) => this.#events.limit(this, message))
    // Head and payload as they were sent: the payload is not copied again.
    bulk.binaryType = 'fragments'
    bulk.on('message', (data: RawData, isBinary: boolean) => {
      if (!this.#isOpen) return
      this.#guard(() => {
        if (!isBinary) throw new LetheError('CONNECTION_FRAME', { message: 'A peer sent text where bytes were agreed' })
        const transfer = reader.read(data as Buffer[])
        if (transfer) this.#events.onBulk(this, transfer.message, transfer.payload)
      })
    })
    bulk.on('error', (error) => this.close(`socket: ${error.message}`))
    bulk.on('close', () => this.close('the connection closed'))
    this.#events.onReady(this, holdsSession)
  }

  send(message: CoordinatorMessage): void {
    if (this.#isOpen) this.#post(message)
  }

  /** Transfers leave in the order of the calls. */
  sendBulk(message: Unsent<CoordinatorBulk>, payload: Uint8Array | Promise<Uint8Array>): Promise<void> {
    return this.#sendFrames(async () => transferFrames(message, await payload))
  }

  /** The same for frames that are made once for many peers. */
  sendBulkFrames(frames: readonly Frame[]): void {
    void this.#sendFrames(() => frames)
  }

  #sendFrames(frames: () => Iterable<Frame> | Promise<Iterable<Frame>>): Promise<void> {
    this.#sending = this.#sending
      .then(async () => {
        if (this.#isOpen && this.#bulk) await sendFrames(this.#bulk, await frames())
      })
      .catch((error: Error) => this.close(`bulk socket: ${error.message}`))
    return this.#sending
  }

  /** Tells the worker the error, then parts from it. */
  fail(error: LetheError): void {
    this.#end(error.format(), { type: 'fail', error: error.toWire() })
  }

  finish(reason: string): void {
    this.#end(reason, { type: 'finish', reason: cutText(reason) })
  }

  /** Parts from a worker whose session is of no use; it joins again without one. */
  restart(reason: string): void {
    this.#end(reason, { type: 'restart', reason: cutText(reason) })
  }

  /** Parts at once; a worker that lives will join again. */
  close(reason: string): void {
    this.#end(reason, null)
  }

  #guard(work: () => void): void {
    try {
      work()
    } catch (error) {
      this.fail(LetheError.from(error))
    }
  }

  #post(message: CoordinatorMessage): void {
    try {
      this.#channel.post(message, performance.now())
    } catch (error) {
      this.close(LetheError.from(error).message)
    }
  }

  #end(reason: string, lastWord: CoordinatorMessage | null): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    if (lastWord === null) {
      this.#bulk?.terminate()
    } else {
      try {
        this.#channel.post(lastWord, performance.now())
      } catch {
        // It has not answered for long: it will not hear this either.
      }
      const patience = setTimeout(() => this.#bulk?.terminate(), lastWordMs)
      this.#bulk?.once('close', () => clearTimeout(patience))
      this.#bulk?.close()
    }
    this.#events.onClose(this, reason)
  }
}
