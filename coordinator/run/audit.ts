import { digestOf } from '../../protocol/digest.ts'
import type { NodeDigest } from '../../protocol/messages.ts'
import { subtrees } from '../../protocol/tree.ts'
import type { Range } from '../planner.ts'

interface Check {
  start: number
  end: number
  /** Digest of the range, by worker; two are expected. */
  claims: Map<string, string>
}

export interface Dispute {
  start: number
  end: number
  claims: { worker: string; digest: string }[]
}

/** Digests of one range as one: the same nodes in the same order, or it is another. */
export function rangeDigest(nodes: readonly NodeDigest[]): string {
  const sorted = nodes.map(({ channel, level, index, sha256 }) => [channel, level, index, sha256] as const)
  return digestOf(sorted.sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : a[2] * 2 ** a[1] - b[2] * 2 ** b[1])))
}

/** The ranges of one step that two workers compute, and whether they got the same. */
export class Audit {
  readonly epoch: number
  readonly #channels: number
  readonly #microBatches: number
  readonly #checks: Check[]
  readonly #nodes = new Map<string, NodeDigest[]>()
  #wait: { resolve(): void } | null = null

  constructor(epoch: number, ranges: readonly Range[], options: { channels: number; microBatches: number }) {
    this.epoch = epoch
    this.#channels = options.channels
    this.#microBatches = options.microBatches
    this.#checks = ranges.map(({ start, end }) => ({ start, end, claims: new Map() }))
  }

  /** Nodes that a worker computed, in any portions. @returns a range that two workers see differently, or null. */
  claim(worker: string, nodes: readonly NodeDigest[]): Dispute | null {
    for (const check of this.#checks) {
      const inside = nodes.filter((node) => isInside(node, check, this.#microBatches))
      if (inside.length === 0 || check.claims.has(worker)) continue
      const key = `${worker} ${check.start}`
      const known = [...(this.#nodes.get(key) ?? []), ...inside]
      this.#nodes.set(key, known)
      if (known.length < this.#channels * subtrees(check.start, check.end, this.#microBatches).length) continue
      check.claims.set(worker, rangeDigest(known))
      const claims = [...check.claims].map(([name, digest]) => ({ worker: name, digest }))
      if (new Set(check.claims.values()).size > 1) return { start: check.start, end: check.end, claims }
    }
    if (this.isClear) this.#wait?.resolve()
    return null
  }

  /** Resolves when every range was computed twice, alike. */
  clear(): Promise<void> {
    return new Promise((resolve) => {
      this.#wait = { resolve }
      if (this.isClear) resolve()
    })
  }

  /** Was every range computed twice, alike? */
  get isClear(): boolean {
    return this.#checks.every(({ claims }) => claims.size > 1)
  }
}

function isInside({ level, index }: NodeDigest, { start, end }: { start: number; end: number }, microBatches: number): boolean {
  const first = index * 2 ** level
  return first >= start && Math.min(first + 2 ** level, microBatches) <= end
}
