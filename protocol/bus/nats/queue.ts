import { randomBytes } from 'node:crypto'
import { AckPolicy, type ConsumerConfig, DeliverPolicy, RetentionPolicy } from '@nats-io/jetstream'
import { type Msg, nanos } from '@nats-io/nats-core'
import { z } from 'zod'
import type { KeyValue, Lease, QueueOptions, WorkQueue } from '../bus.ts'
import { checkKey } from '../names.ts'
import { checkPayload, unavailable } from '../payload.ts'
import { apiCodes, ensureStream, isApiError, type NatsContext, streamExists, withStream } from './context.ts'
import { deadLetters } from './dead-letters.ts'
import { natsKeyValue } from './keyvalue.ts'

/*
 * A work queue stream delivers items, at least once; it fences nobody, counts deliveries badly after a crash, and remembers ids for two
 * minutes. So each item that was ever taken has a record in a bucket, and every word of a holder is a compare-and-set on it:
 *
 *   no record  --take-->  held (epoch 1)  --take, after the stream has delivered again-->  held (epoch 2)  …
 *   held  --acknowledge-->  done          --release-->  ready          --too many deliveries-->  dead
 *
 * The record decides, and the stream follows: what is done or dead is dropped when it is delivered once more.
 */

const record = z.strictObject({
  state: z.enum(['held', 'ready', 'done', 'dead']),
  epoch: z.int().min(1),
  deliveries: z.int().min(1),
  /** Random, of the last lease. */
  holder: z.string().regex(/^[0-9a-f]{32}$/),
  /** Of the message in the stream. */
  sequence: z.int().min(0),
})
type Item = z.output<typeof record>

const consumerName = 'takers'
const maxPending = 100_000
/** What a request for an item may take longer than it should wait. */
const graceMs = 2000

const encode = (item: Item) => new TextEncoder().encode(JSON.stringify(item))

const decode = (value: Uint8Array): Item => record.parse(JSON.parse(new TextDecoder().decode(value)))

/** One delivery by the stream. */
interface Delivery {
  id: string
  data: Uint8Array
  sequence: number
  /** Where acknowledgements go. */
  reply: string
}

export function natsQueue(context: NatsContext, name: string, { leaseMs, maxDeliveries }: QueueOptions): WorkQueue {
  const { connection, js, jsm } = context
  const stream = `lethe-queue-${name}`
  const prefix = `lethe-queue.${name}.`
  const config = { name: stream, subjects: [`${prefix}>`], retention: RetentionPolicy.Workqueue }
  const records: KeyValue = natsKeyValue(context, `lethe-queue-${name}`)
  const dead = deadLetters(context, name)
  let hasConsumer = false

  const find = async (id: string): Promise<{ item: Item; revision: number } | null> => {
    const entry = await records.get(id)
    if (!entry) return null
    return { item: decode(entry.value), revision: entry.revision }
  }

  const ids = async (): Promise<Set<string>> => {
    if (!(await streamExists(context, stream))) return new Set()
    const { state } = await jsm.streams.info(stream, { subjects_filter: '>' })
    return new Set(Object.keys(state.subjects ?? {}).map((subject) => subject.slice(prefix.length)))
  }

  /** The consumer that all takers share. */
  const ensureConsumer = async () => {
    if (hasConsumer) return
    await ensureStream(context, config)
    const wanted = { ack_wait: nanos(leaseMs), max_ack_pending: maxPending }
    try {
      const { config: found } = await jsm.consumers.info(stream, consumerName)
      if (found.ack_wait !== wanted.ack_wait) await jsm.consumers.update(stream, consumerName, wanted)
    } catch (error) {
      if (!isApiError(error, apiCodes.consumerNotFound)) throw error
      await jsm.consumers.add(stream, {
        durable_name: consumerName,
        ack_policy: AckPolicy.Explicit,
        deliver_policy: DeliverPolicy.All,
        // Counted in the records, where a crash does not lose the count.
        max_deliver: -1,
        ...wanted,
      } as ConsumerConfig)
    }
    hasConsumer = true
  }

  /** The next delivery, or null after `waitMs`. */
  const next = async (waitMs: number): Promise<Delivery | null> => {
    await ensureConsumer()
    const inbox = context.inbox()
    const message = await new Promise<Msg>((resolve, reject) => {
      const subscription = connection.subscribe(inbox, {
        callback: (error, one) => {
          clearTimeout(patience)
          subscription.unsubscribe()
          if (error) reject(error)
          else resolve(one)
        },
      })
      const patience = setTimeout(() => {
        subscription.unsubscribe()
        reject(unavailable(`no answer to take from the queue ${name}`))
      }, waitMs + graceMs)
      const ask = JSON.stringify({ batch: 1, expires: nanos(Math.max(1, Math.ceil(waitMs))) })
      connection.publish(`$JS.API.CONSUMER.MSG.NEXT.${stream}.${consumerName}`, ask, { reply: inbox })
    })
    const words = message.reply?.split('.') ?? []
    if (words[1] === 'ACK' && message.subject.startsWith(prefix)) {
      const sequence = Number(words[words.length === 9 ? 5 : 7])
      return { id: message.subject.slice(prefix.length), data: message.data, sequence, reply: message.reply as string }
    }
    // The consumer went with its store.
    if (message.headers?.code === 503) hasConsumer = false
    return null
  }

  /** Tells the stream; what gets lost here only makes it deliver once more. */
  const tell = async (delivery: Delivery, word: '+ACK' | '-NAK' | '+WPI') => {
    await connection.request(delivery.reply, word, { timeout: graceMs }).catch(() => {})
  }

  /** Makes the caller the holder. @returns null where the item is not to be had. */
  const claim = async (delivery: Delivery): Promise<Lease | null> => {
    const { id, data, sequence } = delivery
    const found = await find(id)
    if (found?.item.state === 'done') {
      await tell(delivery, '+ACK')
      return null
    }
    if (found && (found.item.state === 'dead' || found.item.deliveries >= maxDeliveries)) {
      // First the fence, then the letter: a holder that is late must not finish what is dead.
      if (found.item.state !== 'dead') {
        if ((await records.update(id, encode({ ...found.item, state: 'dead' }), found.revision)) === null) return null
      }
      await dead.add(id, data, found.item.deliveries)
      await tell(delivery, '+ACK')
      return null
    }
    const holder = randomBytes(16).toString('hex')
    const item: Item = {
      state: 'held',
      epoch: (found?.item.epoch ?? 0) + 1,
      deliveries: (found?.item.deliveries ?? 0) + 1,
      holder,
      sequence,
    }
    const revision = found ? await records.update(id, encode(item), found.revision) : await records.create(id, encode(item))
    return revision === null ? null : lease(delivery, item, revision)
  }

  const lease = (delivery: Delivery, item: Item, claimed: number): Lease => {
    const { id, data } = delivery
    let revision = claimed
    let isUncertain = false
    /** Its holder has said its last word. */
    let isOver = false
    let turn: Promise<unknown> = Promise.resolve()
    /** One word after the other: each changes the revision that the next one must know. */
    const inTurn = <Value>(act: () => Promise<Value>): Promise<Value> => {
      const result = turn.then(act)
      turn = result.catch(() => {})
      return result
    }
    /** Compare and set. An attempt whose answer was lost may have changed the revision: then the record still names this holder. */
    const move = async (state: Item['state']): Promise<'now' | 'before' | 'no'> => {
      for (;;) {
        const moved = await records.update(id, encode({ ...item, state }), revision)
        if (moved !== null) {
          revision = moved
          return 'now'
        }
        const found = await find(id)
        if (found?.item.holder !== item.holder) return 'no'
        if (found.item.state !== 'held') return found.item.state === state ? 'before' : 'no'
        revision = found.revision
      }
    }
    return {
      id,
      data,
      epoch: item.epoch,
      extend: () =>
        inTurn(async () => {
          if (isOver || (await move('held')) !== 'now') return false
          await tell(delivery, '+WPI')
          return true
        }),
      acknowledge: () =>
        inTurn(async () => {
          if (isOver) return false
          const wasUncertain = isUncertain
          isUncertain = true
          const answer = await move('done')
          isOver = true
          if (answer === 'no' || (answer === 'before' && !wasUncertain)) return false
          await tell(delivery, '+ACK')
          return true
        }),
      release: () =>
        inTurn(async () => {
          if (isOver) return
          isOver = true
          if ((await move('ready')) === 'now') await tell(delivery, '-NAK')
        }),
    }
  }

  return {
    async put(id, data) {
      checkKey(id)
      checkPayload(data)
      return context.call(`put into the queue ${name}`, async () => {
        if (await find(id)) return false
        let sequence: number
        try {
          const publish = () => js.publish(prefix + id, data, { expect: { lastSubjectSequence: 0 } })
          sequence = (await withStream(context, config, publish)).seq
        } catch (error) {
          if (isApiError(error, apiCodes.wrongLastSequence)) return false
          throw error
        }
        // Between the look and the put, the same id may have come, been taken and left the stream.
        const found = await find(id)
        if (!found || found.item.sequence === sequence) return true
        await jsm.streams.deleteMessage(stream, sequence).catch(() => {})
        return false
      })
    },
    async take({ waitMs }) {
      const deadline = performance.now() + waitMs
      for (let leftMs = waitMs; ; leftMs = deadline - performance.now()) {
        const lease = await context.call(
          `take from the queue ${name}`,
          async () => {
            const delivery = await next(Math.max(1, leftMs))
            return delivery ? ((await claim(delivery)) ?? 'again') : null
          },
          waitMs + graceMs,
        )
        if (lease !== 'again' && lease !== null) return lease
        if (performance.now() >= deadline) return null
      }
    },
    async size() {
      // A server that was killed may bring back what had left the stream: the records know better.
      return context.call(`size of the queue ${name}`, async () => {
        const waiting = await ids()
        if (waiting.size === 0) return 0
        const watch = await records.watch('>', (id, entry) => {
          if (entry && /^(done|dead)$/.test(decode(entry.value).state)) waiting.delete(id)
        })
        watch.unsubscribe()
        return waiting.size
      })
    },
    deadLetters: () => dead.list(),
  }
}
