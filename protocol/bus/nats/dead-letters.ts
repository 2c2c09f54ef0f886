import { headers } from '@nats-io/nats-core'
import type { WorkQueue } from '../bus.ts'
import { apiCodes, isApiError, type NatsContext, withStream } from './context.ts'
import { Ordered } from './ordered.ts'

const deliveriesHeader = 'Lethe-Deliveries'

type Letters = Awaited<ReturnType<WorkQueue['deadLetters']>>

/** The items of a queue that nobody finished: a stream with one message for each. */
export function deadLetters(context: NatsContext, queue: string) {
  const stream = `lethe-dead-${queue}`
  const prefix = `lethe-dead.${queue}.`
  const config = { name: stream, subjects: [`${prefix}>`], max_msgs_per_subject: 1 }

  return {
    /** Once, however often it is called. */
    async add(id: string, data: Uint8Array, deliveries: number): Promise<void> {
      const marked = headers()
      marked.set(deliveriesHeader, String(deliveries))
      try {
        await withStream(context, config, () =>
          context.js.publish(prefix + id, data, { headers: marked, expect: { lastSubjectSequence: 0 } }),
        )
      } catch (error) {
        if (!isApiError(error, apiCodes.wrongLastSequence)) throw error
      }
    },
    async list(): Promise<Letters> {
      const letters: Letters = []
      let caughtUp = () => {}
      const isCaughtUp = new Promise<void>((resolve) => {
        caughtUp = resolve
      })
      const ordered = new Ordered(context, {
        stream,
        filter: `${prefix}>`,
        deliver: 'all',
        onMessage: ({ subject, data, header }) =>
          letters.push({ id: subject.slice(prefix.length), data, deliveries: Number(header(deliveriesHeader)) }),
        onCaughtUp: () => caughtUp(),
      })
      try {
        await context.call(`dead letters of the queue ${queue}`, async () => {
          await ordered.start()
          await isCaughtUp
        })
      } finally {
        ordered.stop()
      }
      return letters.sort((a, b) => (a.id < b.id ? -1 : 1))
    },
  }
}
