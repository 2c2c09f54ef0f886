import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Test } from 'tap'
import { type RawData, type WebSocket, WebSocketServer } from 'ws'
import { Broker } from '../../coordinator/broker/broker.ts'
import type { Bus } from '../../protocol/bus/bus.ts'
import { downSubject, joinSubject, type LeaderRecord, leaderBucket, leaderKey, upSubject } from '../../protocol/bus/subjects.ts'
import { Channel } from '../../protocol/channel.ts'
import { type FileBytes, sha256 } from '../../protocol/digest.ts'
import { LetheError } from '../../protocol/errors.ts'
import { decodeMessage, encodeMessage } from '../../protocol/frame.ts'
import { verifyJoin } from '../../protocol/identity.ts'
import type { Job } from '../../protocol/job.ts'
import {
  type CoordinatorBulk,
  type CoordinatorMessage,
  type Hello,
  helloSchema,
  type Unsent,
  type UpPacket,
  upPacket,
  type WorkerBulk,
  type WorkerMessage,
  workerBulk,
} from '../../protocol/messages.ts'
import { bulkPath, busPath, heldHeader, memberHeader, protocolVersion } from '../../protocol/socket.ts'
import { sendFrames, TransferReader, transferFrames } from '../../protocol/transfer.ts'

/*
 * The coordinator's end of the wire without a coordinator's mind: it says what a test makes it say, and keeps what workers say. The bus
 * is the real broker, or one that is given.
 */

const hex = (bytes: number) => randomBytes(bytes).toString('hex')

export class FakeMember {
  readonly memberKey = hex(32)
  readonly address = hex(16)
  readonly messages: WorkerMessage[] = []
  readonly transfers: { message: WorkerBulk; payload: Uint8Array }[] = []
  /** Heartbeats: when each came. */
  readonly beats: { at: number; mark: UpPacket['mark'] }[] = []
  bulk: WebSocket | null = null
  /** What the worker said of its session when it opened the bulk socket. */
  isHeld = false
  readonly channel: Channel<CoordinatorMessage, WorkerMessage>

  constructor(
    readonly worker: string,
    readonly hello: Hello,
    readonly epoch: number,
    publish: (member: FakeMember, packet: object) => void,
  ) {
    this.channel = new Channel({
      send: (packet) => publish(this, { ...packet, epoch }),
      deliver: (message) => this.messages.push(message),
    })
  }

  post(message: CoordinatorMessage): void {
    this.channel.post(message, performance.now())
  }

  async send(message: Unsent<CoordinatorBulk>, payload: Uint8Array): Promise<void> {
    if (this.bulk) await sendFrames(this.bulk, transferFrames(message, payload))
  }

  said<Type extends WorkerMessage['type']>(type: Type): Extract<WorkerMessage, { type: Type }> | undefined {
    return this.messages.find((message): message is Extract<WorkerMessage, { type: Type }> => message.type === type)
  }
}

export interface FakeOptions {
  port?: number
  epoch?: number
  /** NATS, where it is not the broker of this coordinator. */
  bus?: Bus
  cluster?: string
  runId?: string
  reducer?: 'central' | 'sharded'
}

export const fakeFiles: FileBytes[] = [{ path: 'config.json', bytes: Buffer.from('{}') }]

export class FakeCoordinator {
  url = ''
  readonly runId: string
  readonly members: FakeMember[] = []
  /** Hellos that came, answered or not. */
  readonly hellos: Hello[] = []
  /** Transfers between workers that went through here. */
  relayed = 0
  epoch = 0
  /** Answers a hello with this refusal, where it is not null. */
  refuse: ((hello: Hello) => LetheError | null) | null = null
  /** Does not answer, as a process that is stopped. */
  isSilent = false
  readonly #job: Job
  readonly #options: Required<Pick<FakeOptions, 'cluster' | 'reducer'>>
  readonly #broker: Broker | null
  readonly #bus: Bus
  #name = hex(16)
  #renewals = 0
  #state: LeaderRecord['state'] = 'running'
  #close: () => Promise<void> = async () => {}

  private constructor(job: Job, { bus, cluster = 'default', reducer = 'central', runId = hex(32) }: FakeOptions) {
    this.#job = job
    this.runId = runId
    this.#options = { cluster, reducer }
    this.#broker = bus ? null : new Broker({ folder: null })
    this.#bus = bus ?? (this.#broker as Broker).local()
  }

  static async start(t: Test, job: Job, options: FakeOptions = {}): Promise<FakeCoordinator> {
    const fake = new FakeCoordinator(job, options)
    await fake.#listen(options.port ?? 0)
    await fake.#serve()
    await fake.lead(options.epoch ?? 1)
    t.teardown(() => fake.stop())
    return fake
  }

  /** From now on this is the leader of that epoch: members of the last one are strangers to it. */
  async lead(epoch: number): Promise<void> {
    this.epoch = epoch
    this.#name = hex(16)
    await this.record('running')
  }

  async record(state: LeaderRecord['state']): Promise<void> {
    this.#state = state
    const { runId, epoch } = this
    const store = await this.#bus.keyValue(leaderBucket(this.#options.cluster))
    this.#renewals += 1
    const url = this.#broker ? '' : this.url
    const record: LeaderRecord = { protocol: protocolVersion, runId, epoch, coordinator: this.#name, url, state, renewals: this.#renewals }
    await store.put(leaderKey(runId), encodeMessage(record))
  }

  /** As SIGKILL would: sockets break, nothing is said. */
  async stop(): Promise<void> {
    await this.#close()
    this.#close = async () => {}
  }

  async #serve(): Promise<void> {
    const { cluster } = this.#options
    await this.#bus.subscribe(joinSubject(cluster, this.runId), ({ data, respond }) => {
      const answer = this.#answer(decodeMessage(data, helloSchema))
      if (answer) respond(encodeMessage(answer))
    })
    await this.#bus.subscribe(upSubject(cluster, this.runId), ({ data }) => {
      const packet = decodeMessage(data, upPacket)
      const member = this.members.find(({ memberKey, epoch }) => memberKey === packet.memberKey && epoch === packet.epoch)
      if (!member || this.isSilent) return
      if (packet.body === null) member.beats.push({ at: performance.now(), mark: packet.mark })
      member.channel.receive(packet, performance.now())
    })
    const ticks = setInterval(() => {
      if (!this.isSilent) for (const { channel, epoch } of this.members) if (epoch === this.epoch) channel.tick(performance.now())
    }, 50)
    const renewals = setInterval(() => {
      if (!this.isSilent) void this.record(this.#state).catch(() => {})
    }, 1000)
    const close = this.#close
    this.#close = async () => {
      clearInterval(ticks)
      clearInterval(renewals)
      await close()
      if (this.#broker) await this.#bus.close()
      await this.#broker?.close()
    }
  }

  #answer(hello: Hello): object | null {
    this.hellos.push(hello)
    if (this.isSilent) return null
    const isSigned = verifyJoin(hello, this)
    const refusal = isSigned ? this.refuse?.(hello) : new LetheError('CONNECTION_IDENTITY', { message: 'signed for another leader' })
    if (refusal) return { type: 'fail', error: refusal.toWire() }
    const { cluster, reducer } = this.#options
    let member = this.members.find((one) => one.hello.instance === hello.instance)
    if (!member) {
      member = new FakeMember(`w${this.members.length + 1}`, hello, this.epoch, ({ address }, packet) =>
        this.#bus.publish(downSubject(cluster, this.runId, address), encodeMessage(packet)),
      )
      this.members.push(member)
    }
    const { worker, memberKey, address } = member
    const files = fakeFiles.map(({ path, bytes }) => ({ path, sha256: sha256(bytes), bytes: bytes.byteLength }))
    const meshKey = this.runId
    return { type: 'welcome', worker, memberKey, address, heartbeatMs: 250, runId: this.runId, job: this.#job, files, reducer, meshKey }
  }

  async #listen(port: number): Promise<void> {
    const server = createServer()
    const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false })
    const open = new Set<Duplex>()
    server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      open.add(socket)
      socket.on('error', () => {})
      sockets.handleUpgrade(request, socket, head, (one) => {
        one.on('error', () => {})
        if (request.url === busPath) this.#broker?.attach(one, { role: 'worker' })
        else if (request.url === bulkPath) this.#attachBulk(one, request)
        else one.terminate()
      })
    })
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    this.url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`
    this.#close = async () => {
      for (const socket of open) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    }
  }

  #attachBulk(socket: WebSocket, { headers }: IncomingMessage): void {
    const member = this.members.find(({ memberKey }) => memberKey === headers[memberHeader])
    if (!member || member.epoch !== this.epoch) {
      socket.close(1008)
      return
    }
    member.bulk = socket
    member.isHeld = headers[heldHeader] === 'yes'
    const reader = new TransferReader(workerBulk, () => 2 ** 26)
    socket.on('message', (data: RawData) => {
      const transfer = reader.read(data as Buffer)
      if (transfer?.message.type === 'relay') this.#relay(member, transfer.message, transfer.payload)
      else if (transfer) member.transfers.push(transfer)
    })
    if (!member.isHeld) for (const { path, bytes } of fakeFiles) void member.send({ type: 'file', path }, bytes)
  }

  #relay({ worker }: FakeMember, { to, message }: Extract<WorkerBulk, { type: 'relay' }>, payload: Uint8Array): void {
    this.relayed += 1
    void this.members.find((one) => one.worker === to)?.send({ type: 'relayed', from: worker, message }, payload)
  }
}

/** @throws Error where it does not become true in time. */
export async function until(isTrue: () => unknown, timeoutMs = 10_000): Promise<void> {
  const deadline = performance.now() + timeoutMs
  while (!isTrue()) {
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms for ${isTrue}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
