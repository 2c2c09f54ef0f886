import type { ClientMessage } from '../../protocol/bus/embedded/wire.ts'
import { isPattern, matches } from '../../protocol/bus/names.ts'

/** Whom the coordinator's server let in. */
export type Role = 'worker' | 'coordinator' | 'admin'

const joins = 'lethe.*.*.join'
const ups = 'lethe.*.*.up'
const downs = 'lethe.*.*.down.*'

/** A worker reads what its own address gets, which is random: with `*` it would read everyone's. */
const isOneSubject = (pattern: string) => isPattern(pattern) && !/[*>]/.test(pattern)

/** What a peer may ask for. A worker joins, sends packets, gets its own, and reads who leads. */
export function isAllowed(role: Role, message: ClientMessage): boolean {
  if (role !== 'worker') return true
  switch (message.op) {
    case 'request':
      return matches(joins, message.subject)
    case 'publish':
      return matches(ups, message.subject)
    case 'subscribe':
      return isOneSubject(message.pattern) && matches(downs, message.pattern)
    case 'unsubscribe':
      return true
    case 'get':
    case 'keys':
    case 'watch':
      return message.bucket.startsWith('lethe-')
    default:
      return false
  }
}
