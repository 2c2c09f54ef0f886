import { z } from 'zod'
import { busPayloadBytes } from '../../protocol/bus/bus.ts'
import { sha256 } from '../../protocol/digest.ts'
import { LetheError } from '../../protocol/errors.ts'
import { pack, unpack } from '../../protocol/msgpack.ts'
import { type JournalEvent, journalEvent } from './journal.ts'

/*
 * How an event stands in a log on the bus. An entry names who wrote it and its number among the writer's own, so that an append whose
 * answer was lost is known again, and what a deposed coordinator still wrote can be told from what counts.
 */

const count = z.int().min(0)
const bytes = z.instanceof(Uint8Array)
const by = { writer: z.string().regex(/^[0-9a-f]{32}$/), number: count }

const entrySchema = z.union([
  z.strictObject({ ...by, event: bytes }),
  /** The event is a blob of that digest, because it is too large for a message. */
  z.strictObject({ ...by, blob: z.strictObject({ sha256: z.string().regex(/^[0-9a-f]{64}$/), bytes: count }) }),
])
export type Entry = z.output<typeof entrySchema>

/** Room for the writer and the number. */
const inlineBytes = busPayloadBytes - 1024

/** @returns the bytes for the log, and those of the blob where one is needed. */
export function encodeEntry(writer: string, number: number, event: JournalEvent): { data: Uint8Array; blob: Uint8Array | null } {
  // A report is made to be JSON, and may hold more values than a message can: a record of each step.
  const packed = pack(event.type === 'finished' ? { ...event, report: Buffer.from(JSON.stringify(event.report)) } : event)
  if (packed.byteLength <= inlineBytes) return { data: pack({ writer, number, event: packed }), blob: null }
  return { data: pack({ writer, number, blob: { sha256: sha256(packed), bytes: packed.byteLength } }), blob: packed }
}

/** @throws LetheError STORAGE_WRITE where the bytes are not an entry. */
export function decodeEntry(data: Uint8Array): Entry {
  const result = entrySchema.safeParse(parsed(data))
  if (!result.success) throw damaged(`${result.error.issues[0].code} at ${result.error.issues[0].path.join('.')}`)
  return result.data
}

/** @throws LetheError STORAGE_WRITE where the bytes are not an event. */
export function decodeEvent(data: Uint8Array): JournalEvent {
  const value = parsed(data) as { type?: unknown; report?: unknown } | null
  const isReport = value?.type === 'finished' && value.report instanceof Uint8Array
  const result = journalEvent.safeParse(isReport ? { ...value, report: json(value.report as Uint8Array) } : value)
  if (!result.success) throw damaged(`${result.error.issues[0].code} at ${result.error.issues[0].path.join('.')}`)
  return result.data
}

function parsed(data: Uint8Array): unknown {
  try {
    return unpack(data)
  } catch (cause) {
    throw damaged((cause as Error).message, cause)
  }
}

function json(text: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(text).toString())
  } catch (cause) {
    throw damaged('a report that is not JSON', cause)
  }
}

export function damaged(received: string, cause?: unknown): LetheError {
  return new LetheError('STORAGE_WRITE', {
    message: 'the journal of the run on the bus is damaged',
    received,
    hint: 'Start the run again with --fresh.',
    cause,
  })
}
