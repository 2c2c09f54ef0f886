import { LetheError } from '../../protocol/errors.ts'
import type { CoordinatorBulk, CoordinatorMessage, MeshBulk, MeshMessage } from '../../protocol/messages.ts'
import { assertSecure, type TlsFiles } from '../../protocol/tls.ts'
import { Mesh } from '../exchange/mesh.ts'
import { ShardedDelivery, type ShardedOptions } from './delivery.ts'

/** Where this worker listens for others. */
export interface MeshAddress {
  host: string
  port: number
  /** What others are told, where it differs. */
  url?: string
  tls?: TlsFiles
}

export interface SharingOptions extends Omit<ShardedOptions, 'send'> {
  address: MeshAddress
  meshKey: string
  /** Sockets beyond this machine need not be encrypted. */
  insecure: boolean
  /** Through the coordinator. */
  relay(to: string, message: MeshMessage, payload: Uint8Array): Promise<void>
  onNotice(message: string): void
}

type Peers = Extract<CoordinatorMessage, { type: 'peers' }>['peers']
type Relayed = Extract<CoordinatorBulk, { type: 'relayed' }>

/** What a worker has in a sharded run: its sockets to the others, and what goes over them. */
export class Sharing {
  readonly delivery: ShardedDelivery
  readonly #mesh: Mesh
  readonly #options: SharingOptions

  private constructor(options: SharingOptions, mesh: Mesh, delivery: ShardedDelivery) {
    this.#options = options
    this.#mesh = mesh
    this.delivery = delivery
  }

  /** @throws LetheError CONNECTION_PORT where it cannot listen. */
  static async open(options: SharingOptions): Promise<Sharing> {
    const { address, meshKey, self, relay, onNotice } = options
    const late: { mesh?: Mesh } = {}
    const delivery = new ShardedDelivery({ ...options, send: async (to, message, payload) => late.mesh?.send(to, message, payload) })
    const mesh = await Mesh.listen({
      ...address,
      meshKey,
      self,
      relay,
      onNotice,
      limit: (message) => delivery.limit(message),
      onTransfer: (from, message, payload) => delivery.accept(from, message, payload),
    })
    late.mesh = mesh
    return new Sharing(options, mesh, delivery)
  }

  /** Where others reach this worker; null where they cannot. */
  get url(): string | null {
    return this.#mesh.url
  }

  setPeers(peers: Peers): void {
    this.#mesh.setPeers(peers.map(({ worker, url }) => ({ worker, url: url !== null && this.#isSecure(url) ? url : null })))
  }

  limit(message: Relayed): number {
    return this.delivery.limit(unwrapped(message))
  }

  /** What another worker sent in error is not this one's failure. */
  acceptRelayed(message: Relayed, payload: Uint8Array): void {
    try {
      this.delivery.accept(message.from, unwrapped(message), payload)
    } catch (error) {
      this.#options.onNotice(`${message.from}: ${LetheError.from(error).message}`)
    }
  }

  async close(): Promise<void> {
    await this.#mesh.close()
  }

  /** An address that the way to would not be encrypted is not used: then the coordinator relays. */
  #isSecure(url: string): boolean {
    try {
      assertSecure(url, this.#options)
      return true
    } catch (error) {
      this.#options.onNotice(LetheError.from(error).message)
      return false
    }
  }
}

/** As it would have come from the other worker directly. */
function unwrapped({ type: _, from: __, message, ...segment }: Relayed): MeshBulk {
  return { ...message, ...segment }
}
