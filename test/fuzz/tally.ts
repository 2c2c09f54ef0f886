/** What an attack on one port came to. */
export interface Tally {
  port: string
  /** Whether the attacker had what opens it. */
  isAuthenticated: boolean
  /** Malformed messages and frames. */
  messages: number
  connections: number
  /** What came back, by kind. */
  answers: Map<string, number>
  /** What must not be: a secret told, a socket kept, somebody let in. */
  violations: string[]
}

export function tally(port: string, isAuthenticated: boolean): Tally {
  return { port, isAuthenticated, messages: 0, connections: 0, answers: new Map(), violations: [] }
}

export function count({ answers }: Tally, answer: string): void {
  answers.set(answer, (answers.get(answer) ?? 0) + 1)
}

/** Calls until `total` messages are sent, so many at a time. `work` says how many it sent. */
export async function repeat(total: number, atOnce: number, work: () => Promise<number>): Promise<void> {
  let left = total
  const lane = async () => {
    while (left > 0) {
      // Taken before, so that the lanes do not overshoot together.
      left -= 1
      const sent = await work()
      left -= sent - 1
    }
  }
  await Promise.all(Array.from({ length: atOnce }, lane))
}
