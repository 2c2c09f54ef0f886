import { headers } from '@nats-io/nats-core'
import type { Entry, KeyValue } from '../bus.ts'
import { checkKey, checkPattern } from '../names.ts'
import { checkPayload } from '../payload.ts'
import { Watched } from '../watched.ts'
import { apiCodes, forgetStream, isApiError, type NatsContext, streamExists, withStream } from './context.ts'
import { Ordered } from './ordered.ts'

const operationHeader = 'KV-Operation'

/**
 * A key-value bucket in the layout of NATS' own clients. Made when something is first written: who only reads needs no right to make
 * streams. Reads go to the leader of the stream, because direct reads may be stale.
 */
export function natsKeyValue(context: NatsContext, bucket: string): KeyValue {
  const { js, jsm } = context
  const stream = `KV_${bucket}`
  const prefix = `$KV.${bucket}.`
  const config = {
    name: stream,
    subjects: [`${prefix}>`],
    max_msgs_per_subject: 1,
    allow_rollup_hdrs: true,
    allow_direct: false,
    deny_delete: true,
  }

  /** The last message of a key, deleted or not. */
  const last = async (key: string): Promise<(Entry & { isDeleted: boolean }) | null> => {
    if (!(await streamExists(context, stream))) return null
    try {
      const message = await jsm.streams.getMessage(stream, { last_by_subj: prefix + key })
      if (!message) return null
      return { value: message.data, revision: message.seq, isDeleted: message.header.get(operationHeader) !== '' }
    } catch (error) {
      if (!isApiError(error, apiCodes.streamNotFound)) throw error
      forgetStream(context, stream)
      return null
    }
  }
  const publish = async (key: string, value: Uint8Array, expected?: number): Promise<number | null> => {
    try {
      const expect = expected === undefined ? {} : { expect: { lastSubjectSequence: expected } }
      return (await withStream(context, config, () => js.publish(prefix + key, value, expect))).seq
    } catch (error) {
      if (isApiError(error, apiCodes.wrongLastSequence)) return null
      throw error
    }
  }
  const write = <Value>(what: string, key: string, value: Uint8Array, act: () => Promise<Value>): Promise<Value> => {
    checkKey(key)
    checkPayload(value)
    return context.call(`${what} in the bucket ${bucket}`, act)
  }

  return {
    async get(key) {
      checkKey(key)
      const found = await context.call(`get in the bucket ${bucket}`, () => last(key))
      return found && !found.isDeleted ? { value: found.value, revision: found.revision } : null
    },
    put: async (key, value) => (await write('put', key, value, () => publish(key, value))) as number,
    create: async (key, value) =>
      write('create', key, value, async () => {
        const revision = await publish(key, value, 0)
        if (revision !== null) return revision
        // A key that was deleted leaves a mark, which must be replaced.
        const mark = await last(key)
        return mark?.isDeleted ? publish(key, value, mark.revision) : null
      }),
    update: async (key, value, revision) => write('update', key, value, () => publish(key, value, revision)),
    async delete(key) {
      const mark = headers()
      mark.set(operationHeader, 'DEL')
      await write('delete', key, new Uint8Array(), () =>
        withStream(context, config, () => js.publish(prefix + key, new Uint8Array(), { headers: mark })),
      )
    },
    async keys() {
      const keys = new Set<string>()
      const watch = await watched('>', (key, entry) => (entry ? keys.add(key) : keys.delete(key)))
      watch.stop()
      return [...keys].sort()
    },
    async watch(pattern, onEntry) {
      checkPattern(pattern)
      const watch = await watched(pattern, onEntry)
      return { unsubscribe: () => watch.stop() }
    },
  }

  /** Resolves after what exists has been shown. */
  async function watched(pattern: string, onEntry: Parameters<KeyValue['watch']>[1]): Promise<Ordered> {
    const shown = new Watched(onEntry)
    let caughtUp = () => {}
    const isCaughtUp = new Promise<void>((resolve) => {
      caughtUp = resolve
    })
    const ordered = new Ordered(context, {
      stream,
      filter: prefix + pattern,
      deliver: 'last',
      onBegin: () => shown.begin(),
      onMessage: ({ subject, data, sequence, header }) =>
        shown.show(subject.slice(prefix.length), header(operationHeader) === '' ? data : null, sequence),
      onCaughtUp: () => {
        shown.end()
        caughtUp()
      },
    })
    try {
      await context.call(`watch in the bucket ${bucket}`, async () => {
        await ordered.start()
        await isCaughtUp
      })
      return ordered
    } catch (error) {
      ordered.stop()
      throw error
    }
  }
}
