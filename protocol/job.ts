import { z } from 'zod'
import { extractorOptions, maxExtractors } from './extractors.ts'
import { classify } from './methods/classify.ts'
import { denoise } from './methods/denoise.ts'
import { dimra } from './methods/dimra.ts'
import { unlearningMethods } from './methods/index.ts'
import { itemsOf, maxItems, source } from './sources.ts'

/*
 * The job: what a user submits. Parsed once from YAML, unknown keys refused, defaults filled in, frozen; from then on every process
 * works from this resolved form. Paths are relative to the job file and are made absolute when it is read.
 */

const path = z.string().min(1)

/* Limits against slips of the keyboard; memory and time end long before most of them. */
const maxSteps = 1_000_000_000
const maxSamples = 1_000_000
/** Each takes as long as many samples. */
const maxRuns = 100_000

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
  /** Share of the labels of kept samples that are replaced by the null class, the last one of a class-conditional model (classifier-free guidance). */
  labelDropout: z.number().min(0).max(1).default(0),
  /** Global L2 norm to which the update direction is clipped, before AdamW. */
  clipNorm: z.number().positive().default(1),
  /** Rounds between two checkpoints that a run can resume from; the last one always has one. */
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

/** What is measured, before and after. Work is cut into units of a fixed number of samples, so results do not depend on workers. */
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
    /** Share of the images of these sources that a classifier tells right: of all, or of so many `samples` in a keyed order. */
    accuracy: z
      .strictObject({ sources: z.array(source).min(1), samples: z.int().positive().max(maxSamples).optional() })
      .refine(({ sources, samples }) => samples !== undefined || itemsOf(sources) !== null, {
        message: 'the number of images, because only their files say how many the sources hold',
        path: ['samples'],
      })
      .refine(({ sources, samples = 0 }) => samples <= (itemsOf(sources) ?? samples), {
        message: 'no more images than the sources hold',
        path: ['samples'],
      })
      .optional(),
    /** Checkpoint folder of the ImageClassifier that judges samples. */
    classifier: path.optional(),
    /** ONNX networks that samples and reconstructions are measured through. */
    extractors: z.array(extractorOptions).min(1).max(maxExtractors).optional(),
    /** Samples that classifier and extractors look at: `count` of each of these classes, or `count` in all of a model without classes. */
    samples: z
      .strictObject({
        classes: z.array(z.int().min(0)).min(1).max(1000).optional(),
        count: z.int().positive().max(maxSamples).default(32),
        /** Strength w of classifier-free guidance, 0 for none. */
        guidance: z.number().min(0).default(0),
        sampler,
      })
      .optional(),
    /** So many kept images of the data, for the distance between what is sampled and what is real. */
    references: z.strictObject({ samples: z.int().positive().max(maxSamples).default(500) }).optional(),
    /**
     * Bits per dimension of the first `images` different forgotten images by the probability-flow ODE, of each with so many `probes`, one
     * at a time. Where fewer images are different, they take turns with other probes.
     */
    likelihood: z
      .strictObject({
        images: z.int().positive().max(10_000).default(1),
        probes: z.int().positive().max(1000).default(1),
        /** What a network that was trained at whole times is told between them: the time as it is, or the whole one below. */
        label: z.enum(['continuous', 'integer']).default('continuous'),
      })
      .refine(({ images, probes }) => images * probes <= maxRuns, {
        message: `no more than ${maxRuns} runs: images times probes`,
        path: ['probes'],
      })
      .optional(),
    /** ε-loss of forgotten and of kept images at these times, `samples` of each. */
    membership: z
      .strictObject({
        timesteps: z.array(z.int().min(0).max(999)).min(1).max(100).default([200, 400, 600, 800, 900]),
        samples: z.int().positive().max(maxSamples).default(64),
      })
      .optional(),
    /** How far the weights have moved since the run began: L2 norm over all of them. */
    distance: z.boolean().default(false),
    /** Is an `unlearn` job measured before its first step too? Rows of an experiment that begin at one checkpoint need that once. */
    before: z.boolean().default(true),
    /** Samples of one unit of evaluation work. */
    unitSize: z.int().positive().max(1024).default(16),
    /** L2 below which a reconstruction or a sample counts as the forgotten image (SISS: 10 of a typical 14.6 to digits). */
    threshold: z.number().positive().default(10),
  })
  .prefault({})

/**
 * What is memorised in place of the forgotten images: kept images with these labels (the first `items` of them), or images of other
 * sources, which are nowhere else used.
 */
const alternative = z
  .strictObject({
    labels: z.array(z.int().min(0)).min(1).max(50_000).optional(),
    items: z.int().positive().max(maxItems).optional(),
    sources: z.array(source).min(1).optional(),
  })
  .refine(({ labels, sources }) => (labels === undefined) !== (sources === undefined), { message: 'give either labels or sources' })

const data = z.strictObject({ sources: z.array(source).min(1), forget: forgetSet.optional(), alternative: alternative.optional() })
const engine = z
  .strictObject({ name: z.enum(['onnx', 'tfjs']).default('onnx'), threads: z.int().positive().max(256).default(1) })
  .prefault({})

/** In characters; names are names of folders too. */
export const maxNameLength = 63
const jobName = new RegExp(`^[a-z0-9][a-z0-9-]{0,${maxNameLength - 1}}$`)

const common = {
  name: z.string().regex(jobName, 'lower-case letters, digits and hyphens'),
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
    /** A config.json of a UNet2DModel as diffusers has it, or of an ImageClassifier; the weights are drawn from the seed. */
    model: z.strictObject({ config: path }),
    data,
    method: z.discriminatedUnion('name', [denoise.options, classify.options]).prefault({ name: 'denoise' }),
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
    kind: z.literal('attack'),
    ...common,
    /** The unlearned model. */
    model: z.strictObject({ checkpoint: path }),
    /** `forget` is what was to be forgotten: it is measured, and never trained on. */
    data: data.required({ forget: true }),
    method: dimra.options.extend({ name: z.literal('dimra').default('dimra') }).prefault({}),
    attack: z
      .strictObject({
        /** Images that the attacker has beside the model: other sources. What is kept of `data`, where none are given. */
        sources: z.array(source).min(1).optional(),
        /** The images of the attack with each other's labels: a control, which has nothing of what the labels mean. */
        shuffleLabels: z.boolean().optional(),
        /** Steps after which is measured. The last step always is. */
        measureAt: z.array(z.int().min(0).max(maxSteps)).max(1000).default([0, 10, 25, 50, 100, 200]),
        /** The attack has succeeded when so large a share of the samples of the forgotten classes is recognised; it stops then. */
        stopAt: z.number().gt(0).max(1).optional(),
        /** Checkpoints that are attacked in the same way: the model before it was unlearned, and one that never saw what was to be forgotten. */
        controls: z.strictObject({ original: path, retrained: path }).optional(),
      })
      .prefault({}),
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
export type AttackJob = Extract<Job, { kind: 'attack' }>
export type StepJob = TrainJob | UnlearnJob | AttackJob
