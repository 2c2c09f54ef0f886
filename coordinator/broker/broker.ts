import type { WebSocket } from 'ws'
import type { Bus } from '../../protocol/bus/bus.ts'
import { EmbeddedBus } from '../../protocol/bus/embedded/client.ts'
import type { Call } from '../../protocol/bus/embedded/wire.ts'
import type { LetheError } from '../../protocol/errors.ts'
import { BlobStore } from './blobs.ts'
import { Buckets } from './buckets.ts'
import { LocalLink } from './local.ts'
import { Messages } from './messages.ts'
import type { Role } from './permissions.ts'
import { Queues } from './queues.ts'
import { type Service, Session } from './session.ts'
import { serveSocket } from './socket.ts'
import { LmdbStore, MemoryStore, type Store } from './store.ts'

export interface BrokerOptions {
  /** Where values, queues and blobs are kept; null keeps them in memory. The folder must exist. */
  folder: string | null
}

/** The embedded bus: what NATS is in a cluster, inside of the coordinator. */
export class Broker {
  readonly #store: Store
  readonly #messages = new Messages()
  readonly #buckets: Buckets
  readonly #queues: Queues
  readonly #blobs: BlobStore
  readonly #sessions = new Set<Session>()
  readonly #service: Service

  /** @throws LetheError STORAGE_WRITE where the store cannot be opened or is damaged. */
  constructor({ folder }: BrokerOptions) {
    this.#store = folder === null ? new MemoryStore() : new LmdbStore(folder)
    this.#buckets = new Buckets(this.#store)
    this.#queues = new Queues(this.#store)
    this.#blobs = new BlobStore(this.#store)
    this.#service = {
      call: (session, message, answer, fail) => this.#call(session, message, answer, fail),
      publish: (subject, data) => void this.#messages.publish(subject, data),
      respond: (reply, data) => this.#messages.respond(reply, data),
    }
  }

  /** Serves a peer that the coordinator's server has let in. */
  attach(socket: WebSocket, { role }: { role: Role }): void {
    serveSocket(socket, (outlet) => this.#open(new Session(role, this.#service, outlet)))
  }

  /** The bus for the coordinator itself. */
  local(): Bus {
    return new EmbeddedBus(new LocalLink((outlet) => this.#open(new Session('coordinator', this.#service, outlet))))
  }

  /** Ends every session; sockets are closed by who owns the server. */
  async close(): Promise<void> {
    for (const session of this.#sessions) session.close()
    this.#messages.close()
    this.#queues.close()
    await this.#store.close()
  }

  #open(session: Session): Session {
    this.#sessions.add(session)
    session.onClose(() => this.#sessions.delete(session))
    return session
  }

  #call(session: Session, message: Call, answer: (result: unknown) => void, fail: (error: LetheError) => void): void {
    /** Answers when what the answer rests on is on disk. */
    const settle = (result: unknown) => this.#store.settled((error) => (error ? fail(error) : answer(result)))
    switch (message.op) {
      case 'subscribe':
        this.#messages.subscribe(session, message.sid, message.pattern)
        return answer(null)
      case 'request':
        return this.#messages.request(session, message.subject, message.data, message.timeoutMs, answer, fail)
      case 'get':
        return settle(this.#buckets.get(message.bucket, message.key))
      case 'set':
        return settle(this.#buckets.set(message.bucket, message.key, message.value, message.expected))
      case 'delete':
        this.#buckets.delete(message.bucket, message.key)
        return settle(null)
      case 'keys':
        return settle(this.#buckets.keys(message.bucket, message.after))
      case 'watch':
        this.#buckets.watch(session, message.sid, message.bucket, message.pattern)
        return settle(null)
      case 'put':
        return settle(this.#queues.put(message.queue, message.item, message.data))
      case 'take':
        return this.#queues.take(session, message.queue, message.waitMs, message, (taken) =>
          settle(taken && { item: taken.id, data: taken.data, epoch: taken.epoch }),
        )
      case 'extend':
        return settle(this.#queues.extend(message.queue, message.item, message.epoch, message.leaseMs))
      case 'acknowledge':
        return settle(this.#queues.acknowledge(message.queue, message.item, message.epoch))
      case 'release':
        this.#queues.release(message.queue, message.item, message.epoch)
        return settle(null)
      case 'size':
        return settle(this.#queues.size(message.queue))
      case 'deadLetter': {
        const letter = this.#queues.deadLetter(message.queue, message.after)
        return settle(letter && { item: letter.id, data: letter.data, deliveries: letter.deliveries })
      }
      case 'putBlob':
        this.#blobs.put(session, message.bucket, message.name, message)
        return settle(null)
      case 'findBlob':
        return settle(this.#blobs.find(message.bucket, message.name))
      case 'readBlob':
        return settle(this.#blobs.read(message.bucket, message.upload, message.index))
      case 'deleteBlob':
        this.#blobs.delete(message.bucket, message.name)
        return settle(null)
    }
  }
}
