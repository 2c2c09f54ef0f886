import { type LeaderRecord, leaderKey, leaderRecord, nobody } from '../../protocol/bus/subjects.ts'
import { decodeMessage } from '../../protocol/frame.ts'
import { protocolVersion } from '../../protocol/socket.ts'

/** So many failed attempts, some 20 s, a worker stays with the run whose session it holds though another leader would take it. */
const loyalty = 20

interface Known {
  record: LeaderRecord
  /** Attempts to join that failed since the leader last renewed its lease. */
  failures: number
}

/** Who leads which run, as the key-value store of the bus tells. */
export class Leaders {
  readonly #known = new Map<string, Known>()

  /**
   * Takes an entry of the leader bucket, null where it was deleted. Bytes that are no leader record are as good as no entry.
   * @returns the record where it tells of another leader or another state than before; null where a lease was merely renewed.
   */
  note(key: string, value: Uint8Array | null): LeaderRecord | null {
    const record = value && read(key, value)
    const known = this.#known.get(key)
    if (!record) {
      this.#known.delete(key)
      return null
    }
    // A watch that starts again may show what was before.
    if (known && record.epoch < known.record.epoch) return null
    this.#known.set(key, { record, failures: 0 })
    const isSame =
      known?.record.epoch === record.epoch && known.record.coordinator === record.coordinator && known.record.state === record.state
    return isSame ? null : record
  }

  get(runId: string): LeaderRecord | null {
    return this.#known.get(leaderKey(runId))?.record ?? null
  }

  /** Nobody answered, or the membership was lost: a leader that still renews its lease is asked before this one. */
  failed(runId: string): void {
    const known = this.#known.get(leaderKey(runId))
    if (known) known.failures += 1
  }

  /** Leader of the run to join: one that lives, of the run that the worker holds a session of, with the highest epoch. */
  best(heldRunId: string | null): LeaderRecord | null {
    const isLed = ({ record }: Known) => record.state === 'running' && record.coordinator !== nobody && record.protocol === protocolVersion
    const running = [...this.#known.values()].filter(isLed)
    const rank = ({ record, failures }: Known) => {
      const isHeld = record.runId === heldRunId
      return [isHeld ? Math.max(0, failures - loyalty) : failures, isHeld ? 0 : 1, -record.epoch]
    }
    const [first] = running.sort((a, b) => compare(rank(a), rank(b)))
    return first?.record ?? null
  }

  /** Version that a leader speaks which cannot be joined for that reason. */
  get foreignProtocol(): number | null {
    const [foreign] = [...this.#known.values()].filter(({ record }) => record.protocol !== protocolVersion)
    return foreign?.record.protocol ?? null
  }
}

function read(key: string, value: Uint8Array): LeaderRecord | null {
  try {
    const record = decodeMessage(value, leaderRecord)
    return leaderKey(record.runId) === key ? record : null
  } catch {
    return null
  }
}

function compare(a: readonly number[], b: readonly number[]): number {
  const i = a.findIndex((value, j) => value !== b[j])
  return i < 0 ? 0 : a[i] - b[i]
}
