import { blockProducts } from '../../protocol/blocks.ts'
import { leavesOf, type TreeNode, TreeSum } from '../../protocol/tree.ts'
import { addInPlace } from '../../protocol/vector.ts'

/** One chunk of a worker's own slice: elements [start, end) of every channel, added up the tree as pieces of them arrive. */
export class ChunkSum {
  readonly start: number
  readonly end: number
  readonly #microBatches: number
  readonly #sums: Map<string, TreeSum<Float32Array>>
  #products: number[] | null = null

  constructor({ start, end }: { start: number; end: number }, channels: readonly string[], microBatches: number) {
    this.start = start
    this.end = end
    this.#microBatches = microBatches
    this.#sums = new Map(channels.map((channel) => [channel, this.#emptySum()]))
  }

  #emptySum(): TreeSum<Float32Array> {
    return new TreeSum<Float32Array>(this.#microBatches, addInPlace)
  }

  /**
   * Takes the values over: they are written to.
   * @returns false where all of these micro-batches are there already.
   * @throws RangeError where the channel, the node or the length is not of this chunk.
   */
  put(channel: string, node: TreeNode, values: Float32Array): boolean {
    if (values.length !== this.end - this.start) throw new RangeError(`${values.length} elements for ${this.end - this.start}`)
    if (this.#products !== null) return false
    const sum = this.#sums.get(channel)
    if (sum === undefined) throw new RangeError(`no channel ${channel}`)
    const { start, end } = leavesOf(node, this.#microBatches)
    if (!sum.covers(start, end)) sum.put(node, values)
    else if (!this.#supersede(channel, sum, node, values)) return false
    this.#multiply()
    return true
  }

  /**
   * Two workers may have computed the same micro-batches, and one of them may have added more of them up. Nodes of a tree that share leaves
   * lie within each other, and a larger one has the same bits as its parts: it takes their place.
   */
  #supersede(channel: string, sum: TreeSum<Float32Array>, node: TreeNode, values: Float32Array): boolean {
    const { start, end } = leavesOf(node, this.#microBatches)
    const fresh = this.#emptySum()
    for (const held of sum.nodes()) {
      const leaves = leavesOf(held.node, this.#microBatches)
      if (leaves.start <= start && end <= leaves.end) return false
      if (leaves.end <= start || end <= leaves.start) fresh.put(held.node, held.value)
    }
    fresh.put(node, values)
    this.#sums.set(channel, fresh)
    return true
  }

  #multiply(): void {
    const roots = [...this.#sums.values()].map((sum) => sum.root())
    if (roots.every((root) => root !== undefined)) this.#products = blockProducts(roots)
  }

  /** Inner products of its blocks, once every channel has every micro-batch. */
  get products(): readonly number[] | null {
    return this.#products
  }

  /** The sums in the order of the channels, which are no longer held here. @throws TypeError before they are whole. */
  take(): Float32Array[] {
    const roots = [...this.#sums.values()].map((sum) => sum.root())
    if (!roots.every((root) => root !== undefined)) throw new TypeError('a chunk is taken before it is whole')
    this.#sums.clear()
    return roots
  }
}
