import type { LetheError } from '../../protocol/errors.ts'
import type { CoordinatorMessage, MeshBulk, MeshMessage, Slice, WireEncoding, WorkerMessage } from '../../protocol/messages.ts'
import type { TreeNode } from '../../protocol/tree.ts'

export interface ExchangeOptions {
  self: string
  runId: string
  parameterCount: number
  channels: readonly string[]
  microBatches: number
  encoding: WireEncoding
  /** `Mesh.send`: resolves once the bytes have left, directly or through the coordinator. */
  send(to: string, message: MeshMessage, payload: Uint8Array): Promise<void>
  /** Takes `sliced` and `gathered`; `computed` is the executor's. */
  report(message: WorkerMessage): void
  onError(error: LetheError): void
}

/** One channel's sum over one subtree of micro-batches. `gradient` has all parameters; it is read, never written. */
export interface Contribution {
  channel: string
  node: TreeNode
  gradient: Float32Array
}

type Combine = Extract<CoordinatorMessage, { type: 'combine' }>

/** STUB, being written: the types are final. */
export class Exchange {
  constructor(_options: ExchangeOptions) {}
  begin(_epoch: number, _step: number, _slices: readonly Slice[]): void {}
  async contribute(_partials: readonly Contribution[]): Promise<void> {}
  accept(_from: string, _message: MeshBulk, _payload: Uint8Array): void {}
  /** Bytes that a transfer of this header may have, for `Mesh`. */
  limit(_message: MeshBulk): number {
    return 0
  }
  async combine(_message: Combine): Promise<void> {}
  direction(_epoch: number, _step: number): Float32Array | null {
    return null
  }
  get late(): number {
    return 0
  }
}
