import type { WebSocket } from 'ws'
import type { FileBytes } from '../../protocol/digest.ts'
import { LetheError } from '../../protocol/errors.ts'
import type { Job } from '../../protocol/job.ts'
import {
  type CoordinatorBulk,
  type CoordinatorMessage,
  coordinatorBulk,
  maxPictureBytes,
  type Unsent,
  type WorkerBulk,
} from '../../protocol/messages.ts'
import { bulkMessageBytes, bulkPath, memberHeader } from '../../protocol/socket.ts'
import { sendFrames, stateBytesLimit, TransferReader, transferFrames } from '../../protocol/transfer.ts'
import type { JobSession } from '../session.ts'
import { connect } from './connect.ts'
import { Executor, parentComplete } from './executor.ts'
import { Link } from './link.ts'
import { Watermark } from './watermark.ts'

export type OpenSession = (job: Job, files: FileBytes[]) => Promise<JobSession>

export interface MembershipOptions {
  url: string
  token: string
  openSession: OpenSession
  /** The coordinator has accepted this worker. */
  onWelcome(worker: string): void
}

/** How a membership ended where nothing was wrong here. */
export type Ending = { type: 'finished'; reason: string } | { type: 'lost'; error: LetheError }

type Welcome = Extract<CoordinatorMessage, { type: 'welcome' }>

const lastWordMs = 1000

/** One stay with a coordinator, from the first hello to the end of the run, or until it is lost. */
export class Membership {
  readonly #options: MembershipOptions
  readonly #watermark = new Watermark()
  readonly #link: Link
  readonly #files = new Map<string, Uint8Array>()
  #welcome: Welcome | null = null
  #bulk: WebSocket | null = null
  #sending: Promise<void> = Promise.resolve()
  #session: JobSession | null = null
  #executor: Executor | null = null
  /** Messages that came before the session was open. */
  readonly #early: (() => void)[] = []
  #end: (ending: Ending | LetheError) => void = () => {}
  #isEnded = false

  /** Resolves or rejects once; a LetheError is this worker's own failure, or the coordinator's word that it must stop. */
  readonly ended: Promise<Ending>

  constructor(options: MembershipOptions) {
    this.#options = options
    this.ended = new Promise<Ending>((resolve, reject) => {
      this.#end = (ending) => (ending instanceof LetheError ? reject(ending) : resolve(ending))
    }).finally(() => this.#close())
    this.#link = new Link(options, this.#watermark, {
      onMessage: (message) => this.#attempt(() => this.#onMessage(message)),
      onClosed: (error) => this.#lost(error),
    })
  }

  async #close(): Promise<void> {
    this.#isEnded = true
    this.#executor?.stop()
    await this.#link.close()
    this.#bulk?.terminate()
    this.#session?.dispose()
  }

  #lost(error: LetheError): void {
    if (error.code === 'CONNECTION_REFUSED') this.#end({ type: 'lost', error })
    else this.#end(error)
  }

  /** A failure here is told to the coordinator, then ends this worker. */
  #fail(error: LetheError): void {
    this.#link.send({ type: 'failed', error: error.toWire() })
    this.#end(error)
  }

  #attempt(work: () => void | Promise<void>): void {
    new Promise<void>((resolve) => resolve(work())).catch((error) => this.#fail(LetheError.from(error)))
  }

  #onMessage(message: CoordinatorMessage): void | Promise<void> {
    switch (message.type) {
      case 'welcome':
        return this.#onWelcome(message)
      case 'assign':
        return this.#whenOpen((executor) => executor.assign(message))
      case 'export':
        return this.#whenOpen((executor) => executor.export(message))
      case 'evaluate':
        return this.#whenOpen((executor) => executor.evaluate(message))
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

  async #onWelcome(welcome: Welcome): Promise<void> {
    if (this.#welcome) throw new LetheError('CONNECTION_FRAME', { message: 'The coordinator said welcome twice' })
    this.#welcome = welcome
    this.#options.onWelcome(welcome.worker)
    const { url, token } = this.#options
    const headers = { [memberHeader]: welcome.memberKey }
    const reader = new TransferReader(coordinatorBulk, (message) => this.#limit(message))
    const onMessage = (frame: Uint8Array) =>
      this.#attempt(() => {
        this.#watermark.add('bytes', frame.byteLength)
        const transfer = reader.read(frame)
        if (transfer) return this.#onBulk(transfer.message, transfer.payload)
      })
    const dialled = connect({ url, path: bulkPath, token, maxBytes: bulkMessageBytes, headers, onMessage })
    const socket = await dialled.catch((error: LetheError) => this.#lost(error))
    if (!socket) return
    this.#bulk = socket
    // The last word may still be on its way on the other socket.
    const gone = () =>
      setTimeout(
        () => this.#lost(new LetheError('CONNECTION_REFUSED', { message: `the coordinator at ${url} has gone` })),
        lastWordMs,
      ).unref()
    socket.on('error', gone)
    socket.on('close', gone)
  }

  #limit(message: CoordinatorBulk): number {
    const parameters = this.#session?.summary.parameterCount
    if (message.type === 'file') return this.#welcome?.files.find(({ path }) => path === message.path)?.bytes ?? 0
    if (parameters === undefined) return 0
    return message.type === 'direction' ? 4 * parameters : stateBytesLimit(parameters)
  }

  #onBulk(message: CoordinatorBulk, payload: Uint8Array<ArrayBuffer>): void | Promise<void> {
    switch (message.type) {
      case 'file':
        this.#files.set(message.path, payload)
        return this.#open()
      case 'state':
        return this.#whenOpen((executor) => executor.load(message.version, payload))
      case 'direction':
        if (payload.byteLength !== 4 * (this.#session?.summary.parameterCount ?? 0))
          throw new LetheError('CONNECTION_FRAME', { message: 'A direction does not have the length of the parameters' })
        return this.#whenOpen((executor) => executor.apply(message.step, new Float32Array(payload.buffer)))
    }
  }

  async #open(): Promise<void> {
    const { job, files: announced, runId } = this.#welcome as Welcome
    const files = parentComplete(announced, this.#files)
    if (!files || this.#session) return
    this.#files.clear()
    const session = await this.#options.openSession(job, files)
    if (this.#isEnded) return session.dispose()
    this.#session = session
    this.#executor = new Executor({
      session,
      runId,
      watermark: this.#watermark,
      send: (message) => this.#link.send(message),
      sendBulk: (message, payload) => this.#sendBulk(message, payload),
      onError: (error) => this.#fail(error),
    })
    const picture = session.referenceImage()
    const reference = picture && picture.pixels.byteLength <= maxPictureBytes ? picture : null
    this.#link.send({ type: 'opened', summary: session.summary, version: session.step, digest: session.digest(), reference })
    for (const work of this.#early.splice(0)) this.#attempt(work)
  }

  #sendBulk(message: Unsent<WorkerBulk>, payload: Uint8Array): Promise<void> {
    const sent = this.#sending.then(async () => {
      if (!this.#bulk || this.#bulk.readyState !== this.#bulk.OPEN) return
      await sendFrames(this.#bulk, transferFrames(message, payload))
      this.#watermark.add('bytes', payload.byteLength)
    })
    // A socket that breaks tells by its own event.
    this.#sending = sent.catch(() => {})
    return this.#sending
  }
}
