import { leavesOf, type TreeNode, TreeSum } from '../../protocol/tree.ts'
import type { Flaw } from './flaws.ts'

type Add<T> = (left: T, right: T) => T

/** The product's tree, or what somebody might have built instead. */
export function sumOf<T>(flaw: Flaw, count: number, add: Add<T>): TreeSum<T> {
  if (flaw === 'addsAsItComes') return new ArrivalSum(count, add)
  if (flaw === 'countsTwice') return new GreedySum(count, add)
  return new TreeSum(count, add)
}

class ArrivalSum<T> extends TreeSum<T> {
  readonly #count: number
  readonly #add: Add<T>
  #sum: T | undefined
  #missing: number

  constructor(count: number, add: Add<T>) {
    super(count, (left) => left)
    this.#add = add
    this.#count = count
    this.#missing = count
  }

  override put(node: TreeNode, value: T): void {
    super.put(node, value)
    const { start, end } = leavesOf(node, this.#count)
    this.#missing -= end - start
    this.#sum = this.#sum === undefined ? value : this.#add(this.#sum, value)
  }

  override root(): T | undefined {
    return this.#missing === 0 ? this.#sum : undefined
  }
}

class GreedySum<T> extends TreeSum<T> {
  readonly #add: Add<T>
  #extra: T | undefined

  constructor(count: number, add: Add<T>) {
    super(count, add)
    this.#add = add
  }

  override put(node: TreeNode, value: T): void {
    try {
      super.put(node, value)
    } catch {
      this.#extra = this.#extra === undefined ? value : this.#add(this.#extra, value)
    }
  }

  override covers(): boolean {
    return false
  }

  override root(): T | undefined {
    const root = super.root()
    if (root === undefined || this.#extra === undefined) return root
    const extra = this.#extra
    this.#extra = undefined
    return this.#add(root, extra)
  }
}
