export { addInPlace, dot, squaredNorm } from './vector.ts'

/*
 * The one order of every sum: a binary tree over leaves 0..count-1. A node adds its left child to its right child; a child that covers
 * no leaf is skipped. Whoever owns complete subtrees adds them alone, and the bits of the root do not depend on who did.
 */

/** Covers leaves [index·2^level, min((index+1)·2^level, count)). */
export interface TreeNode {
  level: number
  index: number
}

function checkCount(count: number): void {
  if (!Number.isInteger(count) || count < 1 || count > 2 ** 30) throw new RangeError(`a tree has 1 to 2^30 leaves, not ${count}`)
}

/** Leaves of a node: [start, end). */
export function leavesOf(node: TreeNode, count: number): { start: number; end: number } {
  const size = 2 ** node.level
  return { start: node.index * size, end: Math.min((node.index + 1) * size, count) }
}

/** Level of the root: the tree has 2^level places for leaves. */
export function rootLevel(count: number): number {
  checkCount(count)
  return count === 1 ? 0 : 32 - Math.clz32(count - 1)
}

/** The fewest complete nodes that cover leaves [start, end), left to right: at most 2·log2(count), or 1 where count is 1. */
export function subtrees(start: number, end: number, count: number): TreeNode[] {
  const top = rootLevel(count)
  if (!Number.isInteger(start) || !Number.isInteger(end) || start < 0 || end < start || end > count)
    throw new RangeError(`no range of leaves: [${start}, ${end}) of ${count}`)
  const nodes: TreeNode[] = []
  let leaf = start
  while (leaf < end) {
    let level = 0
    while (level < top && leaf % 2 ** (level + 1) === 0 && Math.min(leaf + 2 ** (level + 1), count) <= end) level += 1
    nodes.push({ level, index: leaf / 2 ** level })
    leaf = Math.min(leaf + 2 ** level, count)
  }
  return nodes
}

/**
 * Adds values up the tree as they arrive, in any order. Siblings are merged as soon as both are there, always left + right, so at most
 * a few partial sums are held. `add` may write into its left argument: values that were put belong to the sum.
 */
export class TreeSum<T> {
  readonly #count: number
  readonly #top: number
  readonly #add: (left: T, right: T) => T
  readonly #levels: Map<number, T>[]
  readonly #covered: Uint8Array

  constructor(count: number, add: (left: T, right: T) => T) {
    this.#count = count
    this.#top = rootLevel(count)
    this.#add = add
    this.#levels = Array.from({ length: this.#top + 1 }, () => new Map())
    this.#covered = new Uint8Array(count)
  }

  /** @throws RangeError where the node is not in the tree, or some of its leaves are already there; the sum is then as before. */
  put(node: TreeNode, value: T): void {
    let { level, index } = node
    const { start, end } = leavesOf(node, this.#count)
    if (!Number.isInteger(level) || level < 0 || level > this.#top || !Number.isInteger(index) || index < 0 || start >= this.#count)
      throw new RangeError(`no node of a tree over ${this.#count}: level ${level}, index ${index}`)
    for (let leaf = start; leaf < end; leaf++) if (this.#covered[leaf]) throw new RangeError(`leaf ${leaf} was already added`)
    this.#covered.fill(1, start, end)

    let sum = value
    while (level < this.#top) {
      const siblings = this.#levels[level]
      const sibling = index ^ 1
      if (siblings.has(sibling)) {
        const other = siblings.get(sibling) as T
        siblings.delete(sibling)
        sum = sibling < index ? this.#add(other, sum) : this.#add(sum, other)
      } else if (sibling < index || sibling * 2 ** level < this.#count) {
        break
      }
      level += 1
      index >>>= 1
    }
    this.#levels[level].set(index, sum)
  }

  /** Is any of these leaves there already? */
  covers(start: number, end: number): boolean {
    return this.#covered.subarray(start, end).includes(1)
  }

  /** The whole sum, once every leaf is there. */
  root(): T | undefined {
    return this.#levels[this.#top].get(0)
  }

  /** The partial sums held now, left to right: the nodes that `subtrees` names for each run of leaves that are there. */
  nodes(): { node: TreeNode; value: T }[] {
    const held = this.#levels.flatMap((values, level) => [...values].map(([index, value]) => ({ node: { level, index }, value })))
    return held.sort((a, b) => a.node.index * 2 ** a.node.level - b.node.index * 2 ** b.node.level)
  }
}
