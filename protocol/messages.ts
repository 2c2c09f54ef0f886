import { z } from 'zod'
import { maxWireText, wireErrorSchema } from './errors.ts'
import { jobSchema } from './job.ts'

/*
 * Every message of the two planes. A version is the number of updates that a set of parameters has seen; step s turns version s into
 * version s+1. An epoch is the number of a plan: partials of an older epoch are counted and dropped.
 */

const count = z.int().min(0)
const digest = z.string().regex(/^[0-9a-f]{64}$/)
const text = z.string().max(maxWireText)
const name = z.string().min(1).max(200)
/** Float64 that may be NaN or infinite: the coordinator says so in its own words. */
const anyNumber = z.custom<number>((value) => typeof value === 'number')

export const evaluationUnitSchema = z.strictObject({
  metric: z.enum(['reconstruction', 'hits', 'keepLoss']),
  start: count,
  count,
})

export const sessionSummarySchema = z.strictObject({
  parameterCount: z.int().positive(),
  channels: z.array(name).max(16),
  microBatches: count,
  manifestDigest: digest,
  /** Of which items are to be forgotten. */
  forgetDigest: digest,
  items: count,
  forgetItems: count,
  engine: name,
})

/** What a worker knows once it has opened the job. */
export type SessionSummary = z.output<typeof sessionSummarySchema>

/** 512×512 in colour. A larger picture is not sent, and the report goes without it. */
export const maxPictureBytes = 768 * 1024

const pictureSchema = z
  .strictObject({
    height: z.int().positive().max(4096),
    width: z.int().positive().max(4096),
    channels: z.int().positive().max(4),
    pixels: z.custom<Uint8Array>((value) => value instanceof Uint8Array && value.byteLength <= maxPictureBytes),
  })
  .refine(({ height, width, channels, pixels }) => pixels.byteLength === height * width * channels)

/** Control, from a worker. */
export const workerMessage = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('hello'), pid: count, host: name }),
  /** Sent by a thread of its own every `heartbeatMs`; the watermark shows whether the arithmetic moves. */
  z.strictObject({ type: z.literal('beat'), step: count, microBatches: count, bytes: count }),
  z.strictObject({
    type: z.literal('opened'),
    summary: sessionSummarySchema,
    version: count,
    digest,
    reference: pictureSchema.nullable(),
  }),
  /** The parameters are now those of `version`. */
  z.strictObject({ type: z.literal('at'), version: count, digest }),
  z.strictObject({ type: z.literal('failed'), error: wireErrorSchema }),
])
export type WorkerMessage = z.output<typeof workerMessage>

/** Control, from the coordinator. */
export const coordinatorMessage = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('welcome'),
    worker: name,
    memberKey: digest,
    heartbeatMs: z.int().positive(),
    runId: digest,
    job: jobSchema,
    /** Files of the parent checkpoint that follow on the bulk socket. */
    files: z.array(z.strictObject({ path: name, sha256: digest, bytes: count })).max(16),
  }),
  /** Micro-batches [start, end) of a step; an empty range takes earlier work back. */
  z.strictObject({ type: z.literal('assign'), epoch: count, step: count, start: count, end: count }),
  z.strictObject({ type: z.literal('evaluate'), ticket: count, unit: evaluationUnitSchema }),
  /** Send the state of `version`, and with it the checkpoint's files where asked. */
  z.strictObject({ type: z.literal('export'), ticket: count, version: count, files: z.boolean() }),
  z.strictObject({ type: z.literal('finish'), reason: text }),
  z.strictObject({ type: z.literal('fail'), error: wireErrorSchema }),
])
export type CoordinatorMessage = z.output<typeof coordinatorMessage>

const segment = { sha256: digest, totalBytes: count, offset: count }

/** Bulk, from a worker. `sha256` is of the whole payload, whatever the number of segments. */
export const workerBulk = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('partial'),
    ...segment,
    runId: digest,
    epoch: count,
    step: count,
    channel: name,
    level: count.max(30),
    index: count,
    loss: anyNumber,
    /** Time the whole assignment took, for the planner. */
    computeMs: z.number().min(0),
  }),
  z.strictObject({ type: z.literal('file'), ...segment, ticket: count, path: name }),
  /** Closes the answer to `export`. `digest` is of the parameters alone. */
  z.strictObject({ type: z.literal('state'), ...segment, ticket: count, version: count, digest }),
  z.strictObject({ type: z.literal('evaluation'), ...segment, ticket: count, values: z.array(anyNumber).max(4096) }),
])
export type WorkerBulk = z.output<typeof workerBulk>

/** Bulk, from the coordinator. */
export const coordinatorBulk = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('file'), ...segment, path: name }),
  z.strictObject({ type: z.literal('state'), ...segment, version: count }),
  /** The combined, clipped update direction of a step: float32, all parameters. */
  z.strictObject({ type: z.literal('direction'), ...segment, step: count }),
])
export type CoordinatorBulk = z.output<typeof coordinatorBulk>

/** A message without what `sendTransfer` fills in. */
export type Unsent<Message> = Message extends unknown ? Omit<Message, keyof typeof segment> : never
