import { z } from 'zod'
import type { Entry } from '../../protocol/bus/bus.ts'
import { LetheError } from '../../protocol/errors.ts'
import { pack, unpack } from '../../protocol/msgpack.ts'
import type { Key, Store } from './store.ts'

/*
 * What stands in the store. It is a file that anything may have happened to, so each record is checked when it is read.
 */

const count = z.int().min(0)
const bytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array)

export const revisionRecord = count
export const entryRecord = z.strictObject({ value: bytes, revision: count })
export const itemRecord = z.strictObject({
  order: count,
  status: z.enum(['ready', 'leased', 'done', 'dead']),
  epoch: count,
  deliveries: count,
  maxDeliveries: count,
  leaseMs: count,
  /** Null where the item is done: only its name is remembered. */
  data: bytes.nullable(),
})
export const blobRecord = z.strictObject({ upload: z.string().regex(/^[0-9a-f]{32}$/), chunks: count, sha256: z.string() })

export const write = (value: z.output<typeof revisionRecord | typeof entryRecord | typeof itemRecord | typeof blobRecord>) => pack(value)

/** @throws LetheError STORAGE_WRITE where the record is damaged. */
export function read<Schema extends z.ZodType>(schema: Schema, value: Uint8Array, key: Key): z.output<Schema> {
  try {
    return schema.parse(unpack(value))
  } catch (cause) {
    const message = `the store of the bus is damaged at ${JSON.stringify(key).slice(0, 200)}`
    throw new LetheError('STORAGE_WRITE', { message, hint: 'Remove it: the journal of the run does not depend on it.', cause })
  }
}

/** Everything that the buckets held. */
export function readBuckets(store: Store): Map<string, { revision: number; entries: [string, Entry][] }> {
  const buckets = new Map<string, { revision: number; entries: [string, Entry][] }>()
  for (const { key, value } of store.entries('revisions'))
    buckets.set(String(key[0]), { revision: read(revisionRecord, value, key), entries: [] })
  for (const { key, value } of store.entries('entries'))
    buckets.get(String(key[0]))?.entries.push([String(key[1]), read(entryRecord, value, key)])
  return buckets
}
