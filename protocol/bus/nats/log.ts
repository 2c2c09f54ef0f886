import { checkPayload, unavailable } from '../payload.ts'
import { apiCodes, forgetStream, isApiError, type NatsContext, streamExists, withStream } from './context.ts'
import { Ordered } from './ordered.ts'

/** An append-only log with several writers, of which compare-and-set lets one win. */
export interface Log {
  /** @returns the sequence of the new entry, null where the last one is no longer `expectedLast` (0: empty). Throws BUS_PAYLOAD. */
  append(data: Uint8Array, expectedLast: number): Promise<number | null>
  /** From the start to what is the end when this is called. */
  read(): AsyncIterable<{ sequence: number; data: Uint8Array }>
  /** Sequence of the last entry, 0 where there is none. */
  last(): Promise<number>
  delete(): Promise<void>
}

/** Without a new entry for so long, a read gives up. */
const stalledMs = 10_000

/** One stream: entries have the sequences 1, 2, 3 … */
export function natsLog(context: NatsContext, name: string): Log {
  const { js, jsm } = context
  const stream = `lethe-log-${name}`
  const subject = `lethe-log.${name}`
  const config = { name: stream, subjects: [subject], deny_delete: true, deny_purge: true, duplicate_window: 1e9 }

  const last = () =>
    context.call(`the end of the log ${name}`, async () =>
      (await streamExists(context, stream)) ? (await jsm.streams.info(stream)).state.last_seq : 0,
    )

  let first: Promise<unknown> | null = null
  return {
    last,
    async append(data, expectedLast) {
      checkPayload(data)
      // A new stream is not heard at once: several appends that try again would overtake each other, so the others wait for the first.
      if (first) await first.catch(() => {})
      const appending = context.call(`append to the log ${name}`, async () => {
        try {
          const expect = { lastSequence: expectedLast }
          return (await withStream(context, config, () => js.publish(subject, data, { expect }))).seq
        } catch (error) {
          if (isApiError(error, apiCodes.wrongLastSequence)) return null
          throw error
        }
      })
      first ??= appending
      return appending
    },
    async *read() {
      const end = await last()
      if (end === 0) return
      let entries: { sequence: number; data: Uint8Array }[] = []
      let wake = () => {}
      const ordered = new Ordered(context, {
        stream,
        filter: subject,
        deliver: 'all',
        onMessage: ({ sequence, data }) => {
          entries.push({ sequence, data })
          wake()
        },
      })
      try {
        await context.call(`read the log ${name}`, () => ordered.start())
        for (;;) {
          if (entries.length === 0) {
            const hasMore = await new Promise<boolean>((resolve) => {
              const patience = setTimeout(() => resolve(false), stalledMs)
              wake = () => {
                clearTimeout(patience)
                resolve(true)
              }
            })
            if (!hasMore) throw unavailable(`the log ${name} cannot be read`)
          }
          const batch = entries
          entries = []
          for (const entry of batch) {
            if (entry.sequence <= end) yield entry
            if (entry.sequence >= end) return
          }
        }
      } finally {
        ordered.stop()
      }
    },
    async delete() {
      await context.call(`delete the log ${name}`, async () => {
        if (await streamExists(context, stream)) await jsm.streams.delete(stream)
        forgetStream(context, stream)
      })
    },
  }
}
