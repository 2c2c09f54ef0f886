import type { Lease, QueueOptions, WorkQueue } from '../bus.ts'
import { checkKey } from '../names.ts'
import { callMs, checkPayload } from '../payload.ts'
import type { Ask } from './link.ts'
import type { Answers } from './wire.ts'

export function embeddedQueue(ask: Ask, queue: string, { leaseMs, maxDeliveries }: QueueOptions): WorkQueue {
  const leaseOf = ({ item, data, epoch }: NonNullable<Answers['take']>): Lease => {
    const held = { queue, item, epoch }
    let isUncertain = false
    return {
      id: item,
      data,
      epoch,
      extend: () => ask({ op: 'extend', ...held, leaseMs }),
      async acknowledge() {
        // An attempt whose answer was lost may have been carried out: then the next one is told `before`.
        const wasUncertain = isUncertain
        isUncertain = true
        const answer = await ask({ op: 'acknowledge', ...held })
        isUncertain = false
        return answer === 'now' || (answer === 'before' && wasUncertain)
      },
      async release() {
        await ask({ op: 'release', ...held })
      },
    }
  }

  return {
    async put(item, data) {
      checkKey(item)
      checkPayload(data)
      return ask({ op: 'put', queue, item, data })
    },
    async take({ waitMs }) {
      const taken = await ask({ op: 'take', queue, waitMs: Math.ceil(waitMs), leaseMs, maxDeliveries }, waitMs + callMs)
      return taken && leaseOf(taken)
    },
    size: () => ask({ op: 'size', queue }),
    async deadLetters() {
      const letters: Awaited<ReturnType<WorkQueue['deadLetters']>> = []
      for (;;) {
        const letter = await ask({ op: 'deadLetter', queue, after: letters.at(-1)?.id ?? '' })
        if (!letter) return letters
        letters.push({ id: letter.item, data: letter.data, deliveries: letter.deliveries })
      }
    },
  }
}
