import { z } from 'zod'
import { wireErrorSchema } from '../../errors.ts'
import { busPayloadBytes } from '../bus.ts'
import { isName, isPattern, isSubject } from '../names.ts'

/*
 * The embedded bus on its socket: one MessagePack value a message. What has an `id` is answered once, by `answer` or `failed`.
 * `sid` names a subscription or a watch; the client chooses it.
 */

/** Part of a blob that travels in one message. */
export const chunkBytes = 512 * 1024

const count = z.int().min(0)
const ms = z.int().min(0).max(86_400_000)
const bytes = (maxBytes: number) => z.custom<Uint8Array>((value) => value instanceof Uint8Array && value.byteLength <= maxBytes)
const data = bytes(busPayloadBytes)
const subject = z.string().refine(isSubject)
const pattern = z.string().refine(isPattern)
const name = z.string().refine(isName)
const token = z.string().regex(/^[0-9a-f]{32}$/)
const sha256 = z.string().regex(/^[0-9a-f]{64}$/)

const call = { id: count }
const bucket = { ...call, bucket: name }
const queue = { ...call, queue: name }
const lease = { ...queue, item: subject, epoch: count }

export const clientMessage = z.discriminatedUnion('op', [
  z.strictObject({ op: z.literal('publish'), subject, data }),
  z.strictObject({ op: z.literal('request'), ...call, subject, data, timeoutMs: ms }),
  z.strictObject({ op: z.literal('respond'), reply: token, data }),
  z.strictObject({ op: z.literal('subscribe'), ...call, sid: count, pattern }),
  /** Watches too. */
  z.strictObject({ op: z.literal('unsubscribe'), sid: count }),

  z.strictObject({ op: z.literal('get'), ...bucket, key: subject }),
  /** `expected` is the revision that the key must be at, 0 where it must not exist, null for whatever it is. */
  z.strictObject({ op: z.literal('set'), ...bucket, key: subject, value: data, expected: count.nullable() }),
  z.strictObject({ op: z.literal('delete'), ...bucket, key: subject }),
  /** A page of keys in their order, those behind `after`. */
  z.strictObject({ op: z.literal('keys'), ...bucket, after: z.string().max(1000) }),
  z.strictObject({ op: z.literal('watch'), ...bucket, sid: count, pattern }),

  z.strictObject({ op: z.literal('put'), ...queue, item: subject, data }),
  z.strictObject({ op: z.literal('take'), ...queue, waitMs: ms, leaseMs: ms, maxDeliveries: z.int().positive() }),
  z.strictObject({ op: z.literal('extend'), ...lease, leaseMs: ms }),
  z.strictObject({ op: z.literal('acknowledge'), ...lease }),
  z.strictObject({ op: z.literal('release'), ...lease }),
  z.strictObject({ op: z.literal('size'), ...queue }),
  /** The dead letter behind `after`. */
  z.strictObject({ op: z.literal('deadLetter'), ...queue, after: z.string().max(1000) }),

  /** Chunks of one upload come in order; the last one puts the blob in its place. */
  z.strictObject({
    op: z.literal('putBlob'),
    ...bucket,
    name: subject,
    upload: token,
    index: count,
    data: bytes(chunkBytes),
    last: z.strictObject({ sha256 }).nullable(),
  }),
  z.strictObject({ op: z.literal('findBlob'), ...bucket, name: subject }),
  z.strictObject({ op: z.literal('readBlob'), ...bucket, upload: token, index: count }),
  z.strictObject({ op: z.literal('deleteBlob'), ...bucket, name: subject }),
])
export type ClientMessage = z.output<typeof clientMessage>
/** What has an id. */
export type Call = Extract<ClientMessage, { id: number }>
export type Unnumbered<Message> = Message extends unknown ? Omit<Message, 'id'> : never

/** What `answer` holds, by the operation that it answers. */
export const answers = {
  request: data,
  subscribe: z.null(),
  get: z.strictObject({ value: data, revision: count }).nullable(),
  /** The new revision, null where the key is not as expected. */
  set: count.nullable(),
  delete: z.null(),
  keys: z.strictObject({ keys: z.array(subject).max(1000), isMore: z.boolean() }),
  /** After the entries that exist. */
  watch: z.null(),
  put: z.boolean(),
  take: z.strictObject({ item: subject, data, epoch: count }).nullable(),
  extend: z.boolean(),
  /** `before`: the same lease acknowledged it earlier. */
  acknowledge: z.enum(['now', 'before', 'no']),
  release: z.null(),
  size: count,
  deadLetter: z.strictObject({ item: subject, data, deliveries: count }).nullable(),
  putBlob: z.null(),
  findBlob: z.strictObject({ upload: token, chunks: count, sha256 }).nullable(),
  /** Null where the blob has been replaced. */
  readBlob: bytes(chunkBytes).nullable(),
  deleteBlob: z.null(),
} satisfies Record<Call['op'], z.ZodType>
export type Answers = { [Op in Call['op']]: z.output<(typeof answers)[Op]> }

export const serverMessage = z.discriminatedUnion('op', [
  z.strictObject({ op: z.literal('answer'), ...call, result: z.unknown() }),
  z.strictObject({ op: z.literal('failed'), ...call, error: wireErrorSchema }),
  z.strictObject({ op: z.literal('message'), sid: count, subject, data, reply: token.nullable() }),
  z.strictObject({ op: z.literal('entry'), sid: count, key: subject, revision: count, value: data.nullable() }),
  /** The last message before the server ends the connection. */
  z.strictObject({ op: z.literal('refused'), error: wireErrorSchema }),
])
export type ServerMessage = z.output<typeof serverMessage>
