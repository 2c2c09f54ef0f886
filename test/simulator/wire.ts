import type { ChannelPacket } from '../../protocol/channel.ts'
import type { CoordinatorMessage, StepFigures, WorkerMessage } from '../../protocol/messages.ts'
import type { MeshMessage } from './exchange.ts'
import type { ModelState, Partial } from './model.ts'

/* What travels between the model's processes, beside the control messages of the product. */

export interface UpPacket extends ChannelPacket<WorkerMessage> {
  epoch: number
  worker: string
  memberKey: string
  mark: { step: number; microBatches: number; bytes: number } | null
}

export interface DownPacket extends ChannelPacket<CoordinatorMessage> {
  epoch: number
}

export type BulkUp =
  | { type: 'partial'; epoch: number; step: number; partial: Partial; sha256: string; computeMs: number }
  | { type: 'state'; ticket: number; version: number; digest: string; state: ModelState }
  | { type: 'evaluation'; ticket: number; value: number }
  | { type: 'relay'; to: string; message: MeshMessage }

export type BulkDown =
  | { type: 'parent' }
  | { type: 'state'; version: number; state: ModelState; figures: StepFigures | null }
  | { type: 'direction'; step: number; values: Float32Array; figures: StepFigures }
  | { type: 'relayed'; message: MeshMessage }

export interface ModelWelcome {
  worker: string
  epoch: number
  /** Secret of the membership, and the subject on which its packets come. */
  memberKey: string
  meshKey: string
}
