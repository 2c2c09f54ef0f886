import { z } from 'zod'
import { maxWireText, wireErrorSchema } from './errors.ts'
import { metrics } from './evaluation.ts'
import { maxExtractors, openedExtractor } from './extractors.ts'
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

/** A classifier has two matrices. */
const maxReadings = 2 + maxExtractors

/** Widths of the matrices of readings, as `evaluated.ts` packs them. */
export const widthsSchema = z.array(count.max(65_536)).max(maxReadings)

export const evaluationUnitSchema = z.strictObject({
  metric: z.enum(metrics),
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
  /** Of every image: height, width, channels. */
  imageShape: z.tuple([z.int().positive(), z.int().positive(), z.int().positive()]),
  engine: name,
  /** In the order of the job; absent where it has none. */
  extractors: z.array(openedExtractor).max(maxExtractors).optional(),
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

const figures = z.record(name, z.number())

/** What a step gave, beside the direction. */
export const stepFigures = z.strictObject({
  losses: figures,
  /** Norm of each reduced channel. */
  norms: figures,
  /** Norm of the combined direction before it is clipped. */
  updateNorm: z.number(),
})
export type StepFigures = z.output<typeof stepFigures>

const treeNode = { level: count.max(30), index: count }
const range = { start: count, end: count }

/** Elements [start, end) of the flat parameters, which one worker reduces. */
export const sliceSchema = z.strictObject({ worker: name, ...range })
export type Slice = z.output<typeof sliceSchema>

/** How tensors are written on the wire: `bf16` halves the bytes and loses what the sender adds to the next one. */
export const wireEncoding = z.enum(['f32', 'bf16'])
export type WireEncoding = z.output<typeof wireEncoding>

const maxNodes = 64 * 16
const maxFiles = 4 + 2 * maxExtractors

/** Request on `joinSubject`. */
export const helloSchema = z.strictObject({
  /** Random for each attempt to join; the same hello asked again gets the same answer. */
  instance: z.string().regex(/^[0-9a-f]{32}$/),
  protocol: count,
  /** Digest of the code that computes: `protocol/code.ts`. */
  code: digest,
  pid: count,
  host: name,
  /** Join token. */
  token: z.string().max(4096),
  /** Ed25519: public key (SPKI DER, base64url), and its signature over `joinStatement` (base64url). */
  publicKey: z.string().max(200),
  signature: z.string().max(200),
})
export type Hello = z.output<typeof helloSchema>

export const welcomeSchema = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('welcome'),
    worker: name,
    /** Secret of this membership: opens the bulk socket, and stands in every packet of the worker. */
    memberKey: digest,
    /** Last word of `downSubject`. */
    address: z.string().regex(/^[0-9a-f]{32}$/),
    heartbeatMs: z.int().positive(),
    runId: digest,
    job: jobSchema,
    /** Files of the run that follow on the bulk socket, where the worker has no session of it: two checkpoints, and two for each extractor. */
    files: z.array(z.strictObject({ path: name, sha256: digest, bytes: count })).max(maxFiles),
    reducer: z.enum(['central', 'sharded']),
    /** Opens the sockets between workers of this run. */
    meshKey: digest,
  }),
  z.strictObject({ type: z.literal('fail'), error: wireErrorSchema }),
])
export type Welcome = Extract<z.output<typeof welcomeSchema>, { type: 'welcome' }>

/** What a worker holds of a run that it has been part of. */
export const heldSchema = z.strictObject({ version: count, digest, figures: stepFigures.nullable() })
export type Held = z.output<typeof heldSchema>

/** Digest of one channel's sum over one subtree of micro-batches. */
export const nodeDigest = z.strictObject({ channel: name, ...treeNode, sha256: digest })
export type NodeDigest = z.output<typeof nodeDigest>

/** Control, from a worker. */
export const workerMessage = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('opened'),
    summary: sessionSummarySchema,
    /** Of the parent's parameters, as this worker read them. */
    parentDigest: digest,
    /** Null where the worker holds the parent and no more. */
    held: heldSchema.nullable(),
    reference: pictureSchema.nullable(),
    /** Where other workers reach this one; null where they cannot. */
    meshUrl: z.string().max(500).nullable(),
  }),
  /** The parameters are now those of `version`. */
  z.strictObject({ type: z.literal('at'), version: count, digest, peakMemoryBytes: count.optional() }),
  /** Sharded: a range is computed, its pieces are on their way to the owners. */
  z.strictObject({
    type: z.literal('computed'),
    epoch: count,
    step: count,
    ...range,
    computeMs: z.number().min(0),
    terms: z.array(z.strictObject({ channel: name, ...treeNode, loss: anyNumber, sha256: digest })).max(maxNodes),
  }),
  /** The answer to `audit`: what this worker gets for the range. */
  z.strictObject({ type: z.literal('audited'), epoch: count, step: count, ...range, digests: z.array(nodeDigest).max(maxNodes) }),
  /**
   * Sharded: this worker has summed its slice. `products` are the inner products of its blocks, block after block, for each pair of
   * channels (0,0), (0,1), … (1,1), …: float64.
   */
  z.strictObject({ type: z.literal('sliced'), epoch: count, step: count, products: z.array(anyNumber).max(60_000) }),
  /** Sharded: this worker has the whole direction, and its digest. */
  z.strictObject({ type: z.literal('gathered'), epoch: count, step: count, sha256: digest }),
  /** This worker will end once what it has in hand is done. */
  z.strictObject({ type: z.literal('leaving'), reason: text }),
  z.strictObject({ type: z.literal('failed'), error: wireErrorSchema }),
])
export type WorkerMessage = z.output<typeof workerMessage>

/** Control, from the coordinator. */
export const coordinatorMessage = z.discriminatedUnion('type', [
  /**
   * Micro-batches [start, end) of a step; an empty range takes earlier work back. `audit` is a range to compute after one's own, of which
   * only digests are sent. `slices` says who reduces what, null where the coordinator does.
   */
  z.strictObject({
    type: z.literal('assign'),
    epoch: count,
    step: count,
    ...range,
    audit: z.strictObject(range).nullable(),
    slices: z.array(sliceSchema).max(4096).nullable(),
  }),
  /** More micro-batches of the same epoch, of a worker that is late. */
  z.strictObject({ type: z.literal('assist'), epoch: count, step: count, ...range }),
  /** Sharded: combine the slice with these coefficients and send it to these workers. */
  z.strictObject({
    type: z.literal('combine'),
    epoch: count,
    step: count,
    coefficients: z.record(name, z.number()),
    to: z.array(name).max(4096),
    figures: stepFigures,
  }),
  /** Sharded: everyone has the direction; apply it. */
  z.strictObject({ type: z.literal('apply'), epoch: count, step: count }),
  /** Where the others are, for direct sockets. */
  z.strictObject({
    type: z.literal('peers'),
    peers: z.array(z.strictObject({ worker: name, url: z.string().max(500).nullable() })).max(4096),
  }),
  z.strictObject({ type: z.literal('evaluate'), ticket: count, unit: evaluationUnitSchema }),
  /** Send the state of `version`, and with it the checkpoint's files where asked. */
  z.strictObject({ type: z.literal('export'), ticket: count, version: count, files: z.boolean() }),
  /** What the worker holds of the run is of no use any more: drop the session and join anew. */
  z.strictObject({ type: z.literal('restart'), reason: text }),
  /** The membership ends in good order: the run is over, or the worker wanted to leave. */
  z.strictObject({ type: z.literal('finish'), reason: text }),
  z.strictObject({ type: z.literal('fail'), error: wireErrorSchema }),
])
export type CoordinatorMessage = z.output<typeof coordinatorMessage>

const numbered = {
  /** Epoch of the leader. */
  epoch: count,
  /** Number of `body` in this direction of this membership, from 1; without a body, of the last one sent. */
  seq: count,
  /** Every message up to this number has arrived. */
  ack: count,
}

/** On `upSubject`. Without a body it is a heartbeat, sent every `heartbeatMs` by a thread of its own. */
export const upPacket = z.strictObject({
  ...numbered,
  worker: name,
  memberKey: digest,
  body: workerMessage.nullable(),
  /** Shows whether the arithmetic moves. */
  mark: z.strictObject({ step: count, microBatches: count, bytes: count }).nullable(),
})
export type UpPacket = z.output<typeof upPacket>

/** On `downSubject`. */
export const downPacket = z.strictObject({ ...numbered, body: coordinatorMessage.nullable() })
export type DownPacket = z.output<typeof downPacket>

const segment = { checksum: z.string().regex(/^[0-9a-f]{32}$/), totalBytes: count, offset: count }

/** Between workers, `sharded` only. `start` is the first element of the slice. */
const pieceHeader = {
  type: z.literal('piece'),
  runId: digest,
  epoch: count,
  step: count,
  channel: name,
  ...treeNode,
  start: count,
  encoding: wireEncoding,
}
const shareHeader = { type: z.literal('share'), runId: digest, epoch: count, step: count, start: count, encoding: wireEncoding }
const meshMessage = z.discriminatedUnion('type', [z.strictObject(pieceHeader), z.strictObject(shareHeader)])
export type MeshMessage = z.output<typeof meshMessage>

/** On the sockets between workers: a slice of a partial to its owner, a slice of the direction to everyone. */
export const meshBulk = z.discriminatedUnion('type', [
  z.strictObject({ ...pieceHeader, ...segment }),
  z.strictObject({ ...shareHeader, ...segment }),
])
export type MeshBulk = z.output<typeof meshBulk>

/** Bulk, from a worker. */
export const workerBulk = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('partial'),
    ...segment,
    runId: digest,
    epoch: count,
    step: count,
    channel: name,
    ...treeNode,
    loss: anyNumber,
    encoding: wireEncoding,
    /** Time the whole range took, for the planner. */
    computeMs: z.number().min(0),
  }),
  z.strictObject({ type: z.literal('file'), ...segment, ticket: count, path: name }),
  /** Closes the answer to `export`. `digest` is of the parameters alone. */
  z.strictObject({ type: z.literal('state'), ...segment, ticket: count, version: count, digest }),
  z.strictObject({ type: z.literal('evaluation'), ...segment, ticket: count, values: z.array(anyNumber).max(4096), widths: widthsSchema }),
  /** For a worker that cannot be reached directly. */
  z.strictObject({ type: z.literal('relay'), ...segment, to: name, message: meshMessage }),
])
export type WorkerBulk = z.output<typeof workerBulk>

/** Bulk, from the coordinator. */
export const coordinatorBulk = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('file'), ...segment, path: name }),
  z.strictObject({ type: z.literal('state'), ...segment, version: count, figures: stepFigures.nullable() }),
  /** The combined, clipped update direction of a step: all parameters. */
  z.strictObject({ type: z.literal('direction'), ...segment, step: count, encoding: wireEncoding, figures: stepFigures }),
  z.strictObject({ type: z.literal('relayed'), ...segment, from: name, message: meshMessage }),
])
export type CoordinatorBulk = z.output<typeof coordinatorBulk>

/** A message without what `sendTransfer` fills in. */
export type Unsent<Message> = Message extends unknown ? Omit<Message, keyof typeof segment> : never
