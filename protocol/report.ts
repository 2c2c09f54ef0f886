import { z } from 'zod'

/*
 * report.json: what a finished run leaves for programs. report.html shows the same numbers with the pictures.
 */

const sha256 = z.string().regex(/^[0-9a-f]{64}$/)
const count = z.int().min(0)

/** A measured number; null where it is not finite, as of a model that has diverged. */
const measured = z.number().nullable()

/** How much of the forgotten image is left in the model. A metric that the job does not ask for is null, with 0 noises or samples. */
const forgetMeasure = z.object({
  /** Mean L2 distance, over pixels in [0,1], of the reconstructions to the forgotten image. */
  reconstructionL2: measured,
  /** Reconstructions closer than `threshold`, of `noises` tried from time step `timestep`. */
  reconstructed: count.nullable(),
  noises: count,
  timestep: z.int().nullable(),
  /** Samples closer than `threshold`, of `samples` drawn. */
  hits: count.nullable(),
  samples: count,
  /** Wilson interval of the share of hits, 95 %. */
  hitInterval: z.tuple([z.number(), z.number()]).nullable(),
  threshold: z.number(),
  /** One distance per noise and per sample, by number. */
  reconstructionDistances: z.array(measured),
  sampleDistances: z.array(measured),
})

/** How well the model still denoises the data that it should keep. */
const keepMeasure = z.object({
  /** Mean ε-loss per element over fixed (sample, t, noise). */
  loss: measured,
  samples: count,
  standardError: measured,
  losses: z.array(measured),
})

/** How often a classifier is right about the images of `evaluate.accuracy`. */
const accuracyMeasure = z.object({
  /** correct / samples. */
  accuracy: z.number(),
  correct: count,
  samples: count,
  /** Wilson interval of the accuracy, 95 %. */
  interval: z.tuple([z.number(), z.number()]),
})

/** One update. Losses and norms by channel. */
const stepRecord = z.object({
  step: count,
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
  steps: count,
  /** Over the time spent in steps; null where there were none. */
  stepsPerSecond: z.number().nullable(),
  /** The resulting model; for `evaluate` the one that was measured. `sha256` is over its files, as `sha256sum` lists them. */
  checkpoint: z.object({ path: z.string(), sha256 }),
  /** Before is null for `train` and `evaluate`; both are null where nothing was measured. */
  forget: z.object({ before: forgetMeasure.nullable(), after: forgetMeasure.nullable() }),
  keep: z.object({ before: keepMeasure.nullable(), after: keepMeasure.nullable() }),
  /** Of a classifier; both are null for other models, and in reports from before there were any. */
  accuracy: z.object({ before: accuracyMeasure.nullable(), after: accuracyMeasure.nullable() }).default({ before: null, after: null }),

  /** Who was found to compute wrongly; what they did is not in the result. */
  faults: z.array(workerFault),
  /** How gradients were added: where, and as what they travelled. With `bf16` the result depends on the number of workers. */
  reduction: z.object({ reducer: z.enum(['central', 'sharded']), wire: z.enum(['f32', 'bf16']) }).nullable(),

  seed: count,
  engine: z.string(),
  parameterCount: count,
  data: z.object({ items: count, forgetItems: count, manifestDigest: sha256, forgetDigest: sha256 }),
  /** The checkpoint that the run started from; null for `train`. */
  parentSha256: sha256.nullable(),
  /**
   * The job with every default filled in and its paths as its file has them, and the SHA-256 of its canonical JSON. Only paths below
   * the working directory that the file gives as absolute ones are shown relative to it.
   */
  job: z.record(z.string(), z.unknown()),
  jobDigest: sha256,
  history: z.array(stepRecord),
  /** Milliseconds by phase: prepare, before, train, after. */
  wallMs: z.record(z.string(), z.number()),
  /** Versions of lethe, node and whatever else shaped the numbers. */
  versions: z.record(z.string(), z.string()),
})

export type RunReport = z.output<typeof runReport>
export type ForgetMeasure = z.output<typeof forgetMeasure>
export type KeepMeasure = z.output<typeof keepMeasure>
export type AccuracyMeasure = z.output<typeof accuracyMeasure>
export type StepRecord = z.output<typeof stepRecord>
