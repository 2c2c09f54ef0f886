import { LetheError } from '../../protocol/errors.ts'
import type { Job } from '../../protocol/job.ts'
import {
  type CoordinatorBulk,
  type CoordinatorMessage,
  maxPictureBytes,
  type Unsent,
  type WireEncoding,
  type WorkerBulk,
} from '../../protocol/messages.ts'
import { assertSecure, type TlsFiles } from '../../protocol/tls.ts'
import { stateBytesLimit } from '../../protocol/transfer.ts'
import { bytesPerElement, decodeTensor } from '../../protocol/wire.ts'

import { BulkSocket } from './bulk.ts'
import { CentralDelivery } from './delivery.ts'
import { Executor } from './executor.ts'
import { type Holding, type Holdings, heldOf, parentComplete } from './holdings.ts'
import type { Seat } from './link.ts'
import { type MeshAddress, Sharing } from './sharing.ts'
import type { Watermark } from './watermark.ts'

export interface MembershipOptions {
  seat: Seat
  holdings: Holdings
  token: string
  tls?: TlsFiles
  mesh: MeshAddress
  /** Sockets beyond this machine need not be encrypted. */
  insecure: boolean
  watermark: Watermark
  onNotice(message: string): void
}

/** How a membership ended where nothing was wrong here. */
export type Ending = { type: 'finished'; reason: string } | { type: 'lost'; error: LetheError }

/** Of the reason of a failure over the end of its sockets. */
const headStartMs = 250
const lastWordMs = 1000

/** One stay with a coordinator, from its welcome to the end of the run, or until it is lost. The session stays. */
export class Membership {
  readonly #options: MembershipOptions
  readonly #files = new Map<string, Uint8Array>()
  #bulk: BulkSocket | null = null
  #holding: Holding | null = null
  #isOpening = false
  #executor: Executor | null = null
  #sharing: Sharing | null = null
  /** Messages that came before the session was open. */
  readonly #early: (() => void | Promise<void>)[] = []
  #end: (ending: Ending | LetheError) => void = () => {}
  #isEnded = false
  #isFailing = false

  /**
   * Resolves or rejects once, when nothing of this membership touches the session any more. A LetheError is this worker's own failure, or
   * the coordinator's word that it must stop.
   */
  readonly ended: Promise<Ending>

  constructor(options: MembershipOptions) {
    this.#options = options
    this.ended = new Promise<Ending>((resolve, reject) => {
      this.#end = (ending) => {
        this.#isEnded = true
        if (ending instanceof LetheError) reject(ending)
        else resolve(ending)
      }
    }).finally(() => this.#close())
    options.seat.listen({
      onMessage: (message) => this.#attempt(() => this.#onMessage(message)),
      onLost: (error) => this.#lost(error),
    })
    this.#attempt(() => this.#join())
  }

  /** Asks to go: what is in hand will be done first, then the coordinator says `finish`. Where nothing can be in hand, goes. */
  leave(reason: string): void {
    this.#options.seat.post({ type: 'leaving', reason })
    if (!this.#executor) this.abandon(reason)
  }

  /** Ends without waiting for anyone. */
  abandon(reason: string): void {
    this.#end({ type: 'finished', reason })
  }

  async #close(): Promise<void> {
    const idle = this.#executor?.stop()
    this.#bulk?.close()
    await Promise.all([this.#sharing?.close(), idle])
  }

  #lost(error: LetheError): void {
    if (error.code === 'CONNECTION_REFUSED' || error.code === 'BUS_UNAVAILABLE') this.#end({ type: 'lost', error })
    else this.#end(error)
  }

  /** A failure here is told to the coordinator, then ends this worker. */
  #fail(error: LetheError): void {
    if (this.#isEnded) return
    if (this.#isFailing) return
    this.#isFailing = true
    this.#options.seat.post({ type: 'failed', error: error.toWire() })
    // A bulk socket that closes is news too, and would arrive before the reason.
    setTimeout(() => this.#end(error), headStartMs)
  }

  #attempt(work: () => void | Promise<void>): void {
    if (this.#isEnded) return
    new Promise<void>((resolve) => resolve(work())).catch((error) => this.#fail(LetheError.from(error)))
  }

  async #onMessage(message: CoordinatorMessage): Promise<void> {
    switch (message.type) {
      case 'assign':
        return this.#whenOpen((executor) => executor.assign(message))
      case 'assist':
        return this.#whenOpen((executor) => executor.assist(message))
      case 'combine':
        return this.#whenOpen((executor) => executor.combine(message))
      case 'apply':
        return this.#whenOpen((executor) => executor.applyGathered(message))
      case 'export':
        return this.#whenOpen((executor) => executor.export(message))
      case 'evaluate':
        return this.#whenOpen((executor) => executor.evaluate(message))
      case 'peers':
        return this.#whenOpen(() => this.#sharing?.setPeers(message.peers))
      case 'restart':
        await this.#options.holdings.dispose()
        return this.#lost(new LetheError('CONNECTION_REFUSED', { message: message.reason }))
      case 'finish':
        return this.#end({ type: 'finished', reason: message.reason })
      case 'fail':
        return this.#end(LetheError.fromWire(message.error))
    }
  }

  #whenOpen(work: (executor: Executor) => void): void {
    if (this.#executor) work(this.#executor)
    else this.#early.push(() => work(this.#executor as Executor))
  }

  async #join(): Promise<void> {
    const { seat, holdings, token, tls, insecure, watermark } = this.#options
    const { url, welcome } = seat
    assertSecure(url, { insecure })
    const held = holdings.get(welcome)
    const gone = () => this.#lost(new LetheError('CONNECTION_REFUSED', { message: `the coordinator at ${url} has gone` }))
    try {
      const bulk = await BulkSocket.open({
        url,
        token,
        memberKey: welcome.memberKey,
        isHeld: held !== null,
        tls,
        watermark,
        limit: (message) => this.#limit(message),
        onTransfer: (message, payload) => this.#attempt(() => this.#onTransfer(message, payload)),
        onError: (error) => this.#fail(error),
        // The last word may still be on its way on the bus.
        onClose: () => setTimeout(gone, lastWordMs).unref(),
      })
      if (this.#isEnded) return bulk.close()
      this.#bulk = bulk
    } catch (cause) {
      const error = LetheError.from(cause)
      // The token was good a moment ago: it is the membership that is unknown, as after a change of leader.
      if (error.code !== 'CONNECTION_TOKEN') return this.#lost(error)
      return this.#lost(new LetheError('CONNECTION_REFUSED', { message: `the coordinator at ${url} does not know this membership`, cause }))
    }
    if (held) await this.#begin(await held)
    else await this.#openWhenComplete()
  }

  async #openWhenComplete(): Promise<void> {
    const { seat, holdings } = this.#options
    const files = parentComplete(seat.welcome.files, this.#files)
    if (!files || !this.#bulk || this.#isOpening) return
    this.#isOpening = true
    this.#files.clear()
    await this.#begin(await holdings.open(seat.welcome, files))
  }

  /** Tells the coordinator what there is, and takes up what it has asked for meanwhile. */
  async #begin(holding: Holding): Promise<void> {
    if (this.#isEnded) return
    const { seat, watermark } = this.#options
    const { session } = holding
    this.#holding = holding
    if (seat.welcome.reducer === 'sharded') await this.#share(holding)
    if (this.#isEnded) return
    const { job, runId } = seat.welcome
    const encoding = encodingOf(job)
    const { parameterCount } = session.summary
    const sendBulk = (message: Unsent<WorkerBulk>, payload: Uint8Array) => this.#bulk?.send(message, payload) ?? Promise.resolve()
    this.#executor = new Executor({
      holding,
      watermark,
      central: new CentralDelivery({ runId, parameterCount, encoding, sendBulk }),
      sharded: this.#sharing?.delivery ?? null,
      send: (message) => seat.post(message),
      sendBulk,
      onError: (error) => this.#fail(error),
    })
    const picture = session.referenceImage()
    const reference = picture && picture.pixels.byteLength <= maxPictureBytes ? picture : null
    const { summary } = session
    const { parentDigest } = holding
    seat.post({ type: 'opened', summary, parentDigest, held: heldOf(holding), reference, meshUrl: this.#sharing?.url ?? null })
    for (const work of this.#early.splice(0)) this.#attempt(work)
  }

  async #share({ session }: Holding): Promise<void> {
    const { seat, mesh: address, insecure, onNotice } = this.#options
    const { worker: self, runId, job, meshKey } = seat.welcome
    const sharing = await Sharing.open({
      ...{ self, runId, meshKey, address, insecure, onNotice },
      summary: session.summary,
      encoding: encodingOf(job),
      report: (message) => seat.post(message),
      onError: (error) => this.#fail(error),
      relay: async (to, message, payload) => this.#bulk?.send({ type: 'relay', to, message }, payload),
    })
    if (this.#isEnded) await sharing.close()
    else this.#sharing = sharing
  }

  #limit(message: CoordinatorBulk): number {
    const parameters = this.#holding?.session.summary.parameterCount
    if (message.type === 'file') return this.#options.seat.welcome.files.find(({ path }) => path === message.path)?.bytes ?? 0
    if (parameters === undefined) return 0
    if (message.type === 'relayed') return this.#sharing?.limit(message) ?? 0
    return message.type === 'direction' ? 4 * parameters : stateBytesLimit(parameters)
  }

  #onTransfer(message: CoordinatorBulk, payload: Uint8Array<ArrayBuffer>): void | Promise<void> {
    switch (message.type) {
      case 'file':
        if (this.#holding) return
        this.#files.set(message.path, payload)
        return this.#openWhenComplete()
      case 'state':
        return this.#whenOpen((executor) => executor.load(message.version, payload, message.figures))
      case 'direction': {
        const parameters = this.#holding?.session.summary.parameterCount ?? 0
        if (payload.byteLength !== bytesPerElement[message.encoding] * parameters)
          throw new LetheError('CONNECTION_FRAME', { message: 'A direction does not have the length of the parameters' })
        const values = decodeTensor(payload, message.encoding)
        return this.#whenOpen((executor) => executor.apply(message.step, { values, figures: message.figures }))
      }
      case 'relayed':
        return this.#sharing?.acceptRelayed(message, payload)
    }
  }
}

const encodingOf = (job: Job): WireEncoding => (job.kind === 'evaluate' ? 'f32' : job.training.wire)
