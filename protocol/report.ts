import { z } from 'zod'
import { costMeasure, measures } from './measures.ts'

export type * from './measures.ts'

/*
 * report.json: what a finished run leaves for programs. report.html shows the same numbers with the pictures.
 */

const sha256 = z.string().regex(/^[0-9a-f]{64}$/)
const count = z.int().min(0)

/** One reduction. Losses and norms by channel; those of channels that its phase does not compute are 0. */
const stepRecord = z.object({
  /** Number of the update that it belongs to. */
  step: count,
  /** `prepare` before the first update, `inner` before each and then undone; see rounds.ts. */
  phase: z.enum(['prepare', 'inner', 'update']).default('update'),
  losses: z.record(z.string(), z.number()),
  norms: z.record(z.string(), z.number()),
  /** L2 norm of the combined direction before it is clipped. */
  updateNorm: z.number(),
})

/** A worker that computed something else than the others, and was sent away. */
export const workerFault = z.object({
  worker: z.string(),
  host: z.string(),
  /** Of its key. */
  fingerprint: z.string(),
  /** Where its parameters, or its gradient, differed. */
  step: count,
  message: z.string(),
})
export type WorkerFault = z.output<typeof workerFault>

export const runReport = z.object({
  name: z.string(),
  kind: z.enum(['train', 'unlearn', 'attack', 'evaluate']),
  /** Null for `evaluate`, which changes nothing. */
  method: z.string().nullable(),
  /** The most workers that made a step together, or that measured, where there were no steps. */
  workers: count,
  /** Updates. */
  steps: count,
  /** Reductions: some methods need several for an update, or some before the first. Null in reports from before there were such. */
  rounds: count.nullable().default(null),
  /** Over the time spent in steps; null where there were none. */
  stepsPerSecond: z.number().nullable(),
  cost: costMeasure.default({ millisecondsPerStep: null, preparationMilliseconds: 0, peakMemoryBytes: null }),
  /** The resulting model; for `evaluate` the one that was measured. `sha256` is over its files, as `sha256sum` lists them. */
  checkpoint: z.object({ path: z.string(), sha256 }),
  ...measures,

  /** Who was found to compute wrongly; what they did is not in the result. */
  faults: z.array(workerFault).default([]),
  /** How gradients were added: where, and as what they travelled. With `bf16` the result depends on the number of workers. */
  reduction: z
    .object({ reducer: z.enum(['central', 'sharded']), wire: z.enum(['f32', 'bf16']) })
    .nullable()
    .default(null),

  seed: count,
  engine: z.string(),
  parameterCount: count,
  data: z.object({ items: count, forgetItems: count, manifestDigest: sha256, forgetDigest: sha256.nullable().default(null) }),
  /** The checkpoint that the run started from; null for `train`. */
  parentSha256: sha256.nullable(),
  /** The classifier that judged samples, over its files; null where there was none. */
  classifierSha256: sha256.nullable().default(null),
  /**
   * The job with every default filled in and its paths as its file has them, and the SHA-256 of its canonical JSON. Only paths below
   * the working directory that the file gives as absolute ones are shown relative to it.
   */
  job: z.record(z.string(), z.unknown()),
  jobDigest: sha256,
  history: z.array(stepRecord),
  /** Milliseconds by phase: prepare, measure, train. */
  wallMs: z.record(z.string(), z.number()),
  /** Versions of lethe, node and whatever else shaped the numbers. */
  versions: z.record(z.string(), z.string()),
})

export type RunReport = z.output<typeof runReport>
export type StepRecord = z.output<typeof stepRecord>
