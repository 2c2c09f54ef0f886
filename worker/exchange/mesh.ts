import { LetheError } from '../../protocol/errors.ts'
import type { MeshBulk, MeshMessage } from '../../protocol/messages.ts'
import type { TlsFiles } from '../../protocol/tls.ts'
import { dialPeer } from './mesh-dial.ts'
import { listenForPeers, type MeshServer } from './mesh-server.ts'
import { Route } from './route.ts'

export interface MeshOptions {
  host: string
  /** 0 for any that is free. */
  port: number
  /** What others are told to dial, where it is not host and port. */
  url?: string
  tls?: TlsFiles
  /** Known to the workers of the run and nobody else. */
  meshKey: string
  /** This worker's name. */
  self: string
  onTransfer(from: string, message: MeshBulk, payload: Uint8Array<ArrayBuffer>): void
  /** Bytes that a transfer may have, from its first header alone. */
  limit(message: MeshBulk): number
  /** Through the coordinator, where a worker cannot be reached directly. */
  relay(to: string, message: MeshMessage, payload: Uint8Array): Promise<void>
  /** What an operator may want to know: who is relayed, who sent something invalid. */
  onNotice?(message: string): void
  /** Sockets to each worker where transfers are large: by default 2, and 1 to workers on this machine, where a second is slower. */
  sockets?: number
  patienceMs?: number
  retryMs?: number
  stallMs?: number
}

/** Direct sockets between the workers of a run. Either side may dial, and what one has dialled both use. */
export class Mesh {
  readonly #options: MeshOptions
  readonly #routes = new Map<string, Route>()
  /** Who is in the run, as far as this worker was told. */
  #present = new Set<string>()
  #server: MeshServer | null = null
  #isClosed = false

  private constructor(options: MeshOptions) {
    this.#options = options
  }

  /** @throws LetheError CONNECTION_PORT where it cannot listen. */
  static async listen(options: MeshOptions): Promise<Mesh> {
    const mesh = new Mesh(options)
    const { host, port, tls, meshKey, self } = options
    mesh.#server = await listenForPeers({
      ...{ host, port, tls, meshKey, self },
      onSocket: (worker, socket) => {
        if (mesh.#isClosed || worker === self) socket.terminate()
        else mesh.#route(worker).attach(socket)
      },
    })
    return mesh
  }

  /** Where others reach this worker; null where they cannot. */
  get url(): string | null {
    return this.#options.url ?? this.#server?.url ?? null
  }

  /** Everyone who is in the run. Sockets to others are closed, and what was on its way to them is forgotten. */
  setPeers(peers: readonly { worker: string; url: string | null }[]): void {
    this.#present = new Set(peers.map(({ worker }) => worker))
    for (const [worker, route] of this.#routes)
      if (!this.#present.has(worker)) {
        this.#routes.delete(worker)
        route.close()
      }
    const { self } = this.#options
    for (const { worker, url } of peers) {
      if (worker === self) continue
      const route = this.#route(worker)
      route.url = url
      // One of the two dials before there is anything to send, while nobody computes: whoever computes answers late.
      if (self < worker || this.url === null) route.prepare()
    }
  }

  #route(worker: string): Route {
    const known = this.#routes.get(worker)
    if (known) return known
    const { self, meshKey, tls, limit, onTransfer, relay, onNotice = () => {} } = this.#options
    const { sockets, patienceMs = 2000, retryMs = 10_000, stallMs = 15_000 } = this.#options
    const route = new Route({
      ...{ worker, sockets, patienceMs, retryMs, stallMs, onNotice },
      dial: (url, onOpen) => dialPeer({ worker, self, url, meshKey, tls, timeoutMs: patienceMs, onOpen }),
      relay: (message, payload) => relay(worker, message, payload),
      events: {
        limit,
        onTransfer: (message, payload) => onTransfer(worker, message, payload),
        onError: (error) => onNotice(`${worker}: ${error.message}`),
      },
      // Whoever dials under any name leaves nothing behind.
      onIdle: () => {
        if (!this.#present.has(worker)) this.#routes.delete(worker)
      },
    })
    this.#routes.set(worker, route)
    return route
  }

  /**
   * Resolves when the other worker has the transfer, when the coordinator has taken it, or when the worker has left the run.
   * @throws whatever the relay throws.
   */
  async send(to: string, message: MeshMessage, payload: Uint8Array): Promise<void> {
    if (this.#isClosed) throw new LetheError('CONNECTION_REFUSED', { message: 'the sockets to other workers are closed' })
    const route = this.#routes.get(to)
    // Whom we do not know yet, the coordinator may.
    await (route ? route.send(message, payload) : this.#options.relay(to, message, payload))
  }

  async close(): Promise<void> {
    this.#isClosed = true
    for (const route of this.#routes.values()) route.close()
    this.#routes.clear()
    await this.#server?.close()
  }
}
