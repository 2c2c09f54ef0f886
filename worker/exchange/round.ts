import { chunksOf } from '../../protocol/blocks.ts'
import type { Slice } from '../../protocol/messages.ts'
import type { TreeNode } from '../../protocol/tree.ts'
import { ChunkSum } from './chunk-sum.ts'
import { Gathering } from './gathering.ts'

export interface Piece {
  from: string
  channel: string
  node: TreeNode
  start: number
  values: Float32Array
}

/** What one plan of one step brings to a worker: pieces of its own slice, and shares of the direction. */
export class Round {
  readonly epoch: number
  readonly step: number
  /** Null until the plan is here; other workers may have it before. */
  slices: readonly Slice[] | null = null
  /** Pieces that came before the plan, and their bytes. */
  early: Piece[] = []
  earlyBytes = 0
  /** Of the slice that this worker owns, by their first element. */
  chunks = new Map<number, ChunkSum>()
  isSliced = false
  isCombined = false
  readonly #parameterCount: number
  #gathering: Gathering | null = null

  constructor({ epoch, step }: { epoch: number; step: number }, parameterCount: number) {
    this.epoch = epoch
    this.step = step
    this.#parameterCount = parameterCount
  }

  begin(slices: readonly Slice[], self: string, channels: readonly string[], microBatches: number): void {
    this.slices = slices
    const own = slices.find(({ worker }) => worker === self)
    if (own === undefined) return
    for (const chunk of chunksOf(own.start, own.end)) this.chunks.set(chunk.start, new ChunkSum(chunk, channels, microBatches))
  }

  /** Inner products of the blocks of the own slice, block after block; null until all of it is summed. */
  products(): number[] | null {
    const products = [...this.chunks.values()].map((chunk) => chunk.products)
    return products.every((one) => one !== null) ? products.flat() : null
  }

  /** Made when first needed: only then the direction of the step before is no longer held. */
  get gathering(): Gathering {
    this.#gathering ??= new Gathering(this.#parameterCount)
    return this.#gathering
  }

  get direction(): Float32Array | null {
    return this.#gathering?.direction ?? null
  }
}
