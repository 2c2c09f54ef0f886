import { EventEmitter } from 'node:events'
import { readFileSync } from 'node:fs'
import type { WebSocket } from 'ws'
import type { Bus, BusMessage } from '../protocol/bus/bus.ts'
import { downSubject, joinSubject, upSubject } from '../protocol/bus/subjects.ts'
import { Channel } from '../protocol/channel.ts'
import { codeDigest } from '../protocol/code.ts'
import { sha256 } from '../protocol/digest.ts'
import { encodeMessage } from '../protocol/frame.ts'
import { createIdentity, signJoin } from '../protocol/identity.ts'
import type { CoordinatorMessage, SessionSummary, Welcome, WorkerMessage } from '../protocol/messages.ts'
import { unpack } from '../protocol/msgpack.ts'
import { heartbeatMs, protocolVersion } from '../protocol/socket.ts'
import { transferFrames } from '../protocol/transfer.ts'
import { subtrees } from '../protocol/tree.ts'

/*
 * A thousand workers in the process of the coordinator, without sockets and without arithmetic: they answer at once, with messages and
 * frames as real workers send them. What they themselves cost is measured, so that it can be taken off.
 */

export interface CrowdOptions {
  cluster: string
  runId: string
  epoch: number
  token: string
  workers: number
  summary: SessionSummary
  joinBulk(socket: WebSocket, memberKey: string): boolean
}

/** A socket whose other end is a function. */
class Pipe extends EventEmitter {
  readonly OPEN = 1
  readyState = 1
  binaryType = 'fragments'
  readonly #onFrame: (head: Uint8Array) => void
  #isWithin = false

  constructor(onFrame: (head: Uint8Array) => void) {
    super()
    this.#onFrame = onFrame
  }

  /** A message comes in fragments: its head, then its payload. */
  send(bytes: Uint8Array, { fin }: { fin: boolean }, done: () => void): void {
    if (!this.#isWithin) this.#onFrame(bytes)
    this.#isWithin = !fin
    done()
  }

  close(): void {
    this.readyState = 3
    this.emit('close')
  }

  terminate(): void {
    this.close()
  }
}

interface Worker {
  welcome: Welcome
  channel: Channel<WorkerMessage, CoordinatorMessage>
  pipe: Pipe
  version: number
  microBatches: number
}

/**
 * Processor time of this thread in milliseconds: what else runs on the machine does not count, nor do the threads that collect garbage.
 * Where the system does not tell it, that of the process.
 */
export function cpuMs(): number {
  // Brings the figure that is read next up to date.
  const { user, system } = process.cpuUsage()
  try {
    return Number(readFileSync('/proc/thread-self/schedstat', 'latin1').split(' ')[0]) / 1e6
  } catch {
    return (user + system) / 1000
  }
}

const digestOf = (text: string) => sha256(Buffer.from(text))
const headerStart = 16

export class Crowd {
  readonly bus: Bus
  /** Processor time that workers, not the coordinator, have taken. */
  ownMs = 0
  readonly #options: CrowdOptions
  readonly #listeners = new Map<string, (message: BusMessage) => void>()
  readonly #byAddress = new Map<string, Worker>()
  #due: (() => void)[] = []
  #sent: (() => void)[] = []
  #isAwake = false
  #timer: NodeJS.Timeout | null = null
  #heads = new WeakMap<Uint8Array, { type: string; step: number }>()
  readonly #digests = new Map<number, string>()

  constructor(options: CrowdOptions) {
    this.#options = options
    const unsupported = async () => {
      throw new Error('the crowd does not use this')
    }
    this.bus = {
      isConnected: true,
      onConnection: () => {},
      publish: (subject, data) => this.#later(() => this.#onDown(subject, data)),
      subscribe: async (pattern, onMessage) => {
        this.#listeners.set(pattern, onMessage)
        return { unsubscribe: () => this.#listeners.delete(pattern) }
      },
      request: unsupported,
      keyValue: unsupported,
      queue: unsupported,
      blobs: unsupported,
      close: async () => {},
    }
  }

  /** Everyone joins and opens the job. */
  async join(): Promise<void> {
    const { workers, cluster, runId, epoch, token, summary, joinBulk } = this.#options
    const identity = createIdentity()
    for (let i = 0; i < workers; i++) {
      const instance = digestOf(`${i}`).slice(0, 32)
      const hello = { instance, protocol: protocolVersion, code: codeDigest(), pid: i, host: `host-${i}`, token }
      const data = encodeMessage({ ...hello, ...signJoin(identity, { runId, epoch, instance }) })
      const welcome = await new Promise<Welcome>((resolve) => {
        const subject = joinSubject(cluster, runId)
        this.#listeners.get(subject)?.({ subject, data, respond: (answer) => resolve(unpack(answer) as Welcome) })
      })
      if (welcome.type !== 'welcome') throw new Error(`a worker was refused: ${JSON.stringify(welcome)}`)
      const pipe: Pipe = new Pipe((head) => this.#later(() => this.#onFrame(worker, head)))
      const worker: Worker = { welcome, channel: this.#channelOf(() => worker), pipe, version: 0, microBatches: 0 }
      this.#byAddress.set(downSubject(cluster, runId, welcome.address), worker)
      if (!joinBulk(pipe as unknown as WebSocket, welcome.memberKey)) throw new Error('a bulk socket was refused')
      const parentDigest = digestOf('parent')
      this.#post(worker, { type: 'opened', summary, parentDigest, held: null, reference: null, meshUrl: null })
    }
    const all = [...this.#byAddress.values()]
    let next = 0
    // Spread over the period, as those of real workers are.
    this.#timer = setInterval(() => {
      const end = Math.ceil((all.length * 10) / heartbeatMs)
      for (let i = 0; i < end; i++) this.#later(() => all[next++ % all.length].channel.acknowledge())
    }, 10)
  }

  leave(): void {
    if (this.#timer) clearInterval(this.#timer)
    this.#due = []
    this.#sent = []
  }

  #channelOf(worker: () => Worker): Channel<WorkerMessage, CoordinatorMessage> {
    const { cluster, runId, epoch } = this.#options
    const subject = upSubject(cluster, runId)
    return new Channel({
      send: (packet) => {
        const { welcome, version, microBatches } = worker()
        const mark = packet.body === null ? { step: version, microBatches, bytes: 0 } : null
        const data = encodeMessage({ ...packet, epoch, worker: welcome.worker, memberKey: welcome.memberKey, mark })
        this.#sent.push(() => this.#listeners.get(subject)?.({ subject, data, respond() {} }))
      },
      deliver: (message) => this.#onMessage(worker(), message),
    })
  }

  #post(worker: Worker, message: WorkerMessage): void {
    worker.channel.post(message, performance.now())
  }

  /** What workers do happens in turns of their own; what they send then reaches the coordinator all at once. */
  #later(work: () => void): void {
    this.#due.push(work)
    if (this.#isAwake) return
    this.#isAwake = true
    setImmediate(() => {
      this.#isAwake = false
      const due = this.#due
      this.#due = []
      const before = cpuMs()
      for (const one of due) one()
      this.ownMs += cpuMs() - before
      const sent = this.#sent
      this.#sent = []
      for (const one of sent) one()
    })
  }

  #onDown(subject: string, data: Uint8Array): void {
    const worker = this.#byAddress.get(subject)
    worker?.channel.receive(unpack(data) as Parameters<Worker['channel']['receive']>[0], performance.now())
  }

  #onMessage(worker: Worker, message: CoordinatorMessage): void {
    const { runId, summary } = this.#options
    const { channels, microBatches } = summary
    switch (message.type) {
      case 'assign':
      case 'assist': {
        const { epoch, step, start, end } = message
        const computeMs = 10 * (end - start)
        const nodes = channels.flatMap((channel) => subtrees(start, end, microBatches).map((node) => ({ channel, ...node })))
        worker.microBatches += end - start
        if (message.type === 'assign' && message.slices !== null) {
          const terms = nodes.map((node) => ({ ...node, loss: 1, sha256: digestOf('terms') }))
          if (start < end) this.#post(worker, { type: 'computed', epoch, step, start, end, computeMs, terms })
          const own = message.slices.find((slice) => slice.worker === worker.welcome.worker)
          const products = own ? Array.from({ length: (own.end - own.start) / 2 ** 16 }, () => 1) : []
          if (own) this.#post(worker, { type: 'sliced', epoch, step, products })
          return
        }
        for (const node of nodes) {
          const payload = new Uint8Array(new Float32Array(summary.parameterCount).fill(0.5).buffer)
          const header = { type: 'partial', runId, epoch, step, ...node, loss: 1, encoding: 'f32', computeMs }
          for (const frame of transferFrames(header, payload)) this.#sent.push(() => worker.pipe.emit('message', [...frame], true))
        }
        return
      }
      case 'combine':
        return this.#post(worker, { type: 'gathered', epoch: message.epoch, step: message.step, sha256: digestOf('direction') })
      case 'apply':
        return this.#reach(worker, message.step + 1)
      default:
        return
    }
  }

  #onFrame(worker: Worker, head: Uint8Array): void {
    let header = this.#heads.get(head)
    if (!header) {
      const length = new DataView(head.buffer, head.byteOffset).getUint32(4, true)
      header = unpack(head.subarray(headerStart, headerStart + length)) as { type: string; step: number }
      this.#heads.set(head, header)
    }
    if (header.type === 'direction') this.#reach(worker, header.step + 1)
  }

  #reach(worker: Worker, version: number): void {
    worker.version = version
    let digest = this.#digests.get(version)
    if (digest === undefined) {
      digest = digestOf(`version ${version}`)
      this.#digests.set(version, digest)
    }
    this.#post(worker, { type: 'at', version, digest })
  }
}
