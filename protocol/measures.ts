import { z } from 'zod'
import { openedExtractor } from './extractors.ts'

/*
 * What is measured of a model, as a report says it: every number with the number of samples that it is over and, where there is one, its
 * interval. A measure that the job does not ask for is null. Shares have Wilson intervals, 95 %.
 */

const count = z.int().min(0)
const interval = z.tuple([z.number(), z.number()])

/** A measured number; null where it is not finite, as of a model that has diverged. */
const measured = z.number().nullable()

/** A model before and after. A report from before there was a measure has neither. */
const beforeAndAfter = <Schema extends z.ZodType>(schema: Schema) => z.object({ before: schema.nullable(), after: schema.nullable() })
const neither = { before: null, after: null }

/** How much of the forgotten image is left in the model. A metric that the job does not ask for is null, with 0 noises or samples. */
const forgetMeasure = z.object({
  /** Mean L2 distance, over pixels in [0,1], of the reconstructions to the forgotten image. */
  reconstructionL2: measured,
  /** Student's, over the noises. */
  reconstructionInterval: interval.nullable().default(null),
  /** Reconstructions closer than `threshold`, of `noises` tried from time step `timestep`; null where a distance is not finite. */
  reconstructed: count.nullable(),
  noises: count,
  timestep: z.int().nullable(),
  /** Samples closer than `threshold`, of `samples` drawn; null where a distance is not finite: what draws no images has no hits either. */
  hits: count.nullable(),
  samples: count,
  hitInterval: interval.nullable(),
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
  interval,
})

/**
 * Of `samples` drawn under a class, those that the classifier takes for that class; null, without an interval, where it cannot say of
 * each, because the model does not draw finite numbers.
 */
const shareMeasure = z.object({ samples: count, recognised: count.nullable(), interval: interval.nullable() })

/** What the classifier of `evaluate.classifier` says of samples. */
const sampleMeasure = z.object({
  /** By class; one entry with class null for a model without classes. Nothing is recognised of one, or without a classifier. */
  classes: z.array(z.object({ class: z.int().nullable(), samples: count, recognised: count.nullable(), interval: interval.nullable() })),
  /** Of the classes of `data.forget.labels` together. The unlearning accuracy is 1 − recognised / samples. */
  forgotten: shareMeasure.nullable(),
  /** Of all other classes together. */
  kept: shareMeasure.nullable(),
  /** Strength w of classifier-free guidance. */
  guidance: z.number(),
  sampler: z.object({ name: z.string(), steps: count }),
  /**
   * What follows is of the samples of kept classes; of all where the model has none, but for those that count as the forgotten image,
   * where hits are looked for among the same samples. Mean and deviation over chunks.
   */
  inceptionScore: z
    .object({
      mean: measured,
      standardDeviation: measured,
      /** Student's, over the chunks. */
      interval: interval.nullable().default(null),
      chunks: count,
      samples: count,
    })
    .nullable(),
  /** To kept images of the data; squared units of the features. */
  frechetDistance: z
    .object({
      value: measured,
      /** Delete-block jackknife over both sets; null where features are too wide, or images too few. */
      interval: interval.nullable().default(null),
      featureSpace: z.string(),
      samples: count,
      references: count,
    })
    .nullable(),
  precisionRecall: z
    .object({
      precision: measured,
      recall: measured,
      /** Wilson's, of the one set with the other taken as it is. */ precisionInterval: interval.nullable().default(null),
      recallInterval: interval.nullable().default(null),
      neighbours: count,
      featureSpace: z.string(),
      samples: count,
      references: count,
    })
    .nullable(),
})

const sha256 = z.string().regex(/^[0-9a-f]{64}$/)

/** All that is needed to compute the same numbers again: the network, and what was done to an image before it saw it. */
const featureSpace = openedExtractor.extend({
  name: z.string(),
  /** Of the ONNX file. */
  sha256,
  /** From 8-bit pixels in [0,1]: pixel centres at half numbers, no antialiasing; then less `mean`, divided by `std`. */
  resize: z.literal('bilinear'),
  mean: z.array(z.number()),
  std: z.array(z.number()),
})

/** A mean over samples with its bootstrap interval, 95 %; null where one is not finite. */
const scoreMean = z.object({ mean: measured, interval: interval.nullable(), values: z.array(measured), samples: count })

/** What one ONNX network of `evaluate.extractors` says; `seed` is that of samples, noises and intervals. */
const extractorMeasure = z.discriminatedUnion('score', [
  /** Fréchet distance of samples of kept classes, of all where the model has none, to kept images of the data. */
  z.object({
    score: z.literal('fid'),
    space: featureSpace,
    value: measured,
    interval: interval.nullable().default(null),
    samples: count,
    references: count,
    seed: count,
  }),
  /** Cosine between a reconstruction and the forgotten image that it began with. */
  z.object({ score: z.literal('sscd'), space: featureSpace, reconstructions: scoreMean, timestep: count, seed: count }),
  /** 100·max(0, cosine) between a sample and the caption of its class. */
  z.object({
    score: z.literal('clip'),
    space: featureSpace,
    captionsSha256: sha256,
    forgotten: scoreMean.nullable(),
    kept: scoreMean.nullable(),
    seed: count,
  }),
])

/** Negative log-likelihood of forgotten images by the probability-flow ODE. */
const likelihoodMeasure = z.object({
  /** Mean over images, of each the mean over its runs. */
  bitsPerDimension: measured,
  /** Of the mean, from the spread between images; of a single image from that between its runs, which says nothing of other images. */
  standardError: measured,
  errorOver: z.enum(['images', 'probes']).default('images'),
  /** Different ones. */
  images: count,
  /** Hutchinson probes that the job asks for of each image. */
  probes: count,
  /** One image with one probe each; null in reports from before, whose runs had all probes of an image. */
  runs: count.nullable().default(null),
  /** By image. */
  values: z.array(measured),
  /** Of each run, by number; the numbers of an image follow each other. */
  runValues: z.array(measured).default([]),
})

const meanLoss = z.object({ loss: measured, standardError: measured })

/** ε-losses of forgotten and of kept images at one time; means over elements, then over so many `samples` of either set. */
const membershipMeasure = z.object({
  timestep: count,
  forget: meanLoss,
  keep: meanLoss,
  /** forget − keep, with Welch's standard error. */
  gap: measured,
  gapStandardError: measured,
  samples: count,
})

/** A model after so many steps of an attack. */
const attackPoint = z.object({
  step: count,
  forgotten: shareMeasure.nullable(),
  kept: shareMeasure.nullable(),
  /** L2 norm of the change of the weights since the attack began. */
  distance: measured,
  /** A count is null where a distance is not finite. */
  hits: z.object({ hits: count.nullable(), samples: count, interval: interval.nullable() }).nullable(),
  reconstructed: z.object({ reconstructed: count.nullable(), noises: count, interval: interval.nullable() }).nullable(),
})

/** What relearning brings back. */
const attackMeasure = z.object({
  /** What the attacker trained on: the kept images of the data, or those of `attack.sources`. */
  images: z.enum(['retain', 'sources']),
  /** Of these images: their own, or each other's. */
  labels: z.enum(['own', 'shuffled']).default('own'),
  points: z.array(attackPoint),
  /** Trapezoids under the share of recognised samples of forgotten classes, divided by the range of steps; null where one is not finite. */
  areaUnderCurve: z.number().nullable(),
  /**
   * The step, interpolated, at which this share is first reached: half of what the original model has, half of 1 where that is not
   * known. Where it never is, `censoredAt` is the last step.
   */
  halfRecovery: z.object({ share: z.number(), step: z.number().nullable(), censoredAt: count.nullable() }).nullable(),
  /** Where `attack.stopAt` was reached; null where it was not, or none was given. */
  stoppedAt: count.nullable(),
})

/** Wall time of the steps, without what was measured between them; null where there were none, or in reports from before. */
export const costMeasure = z.object({
  millisecondsPerStep: z.object({ median: z.number(), percentile90: z.number(), steps: count }).nullable(),
  /** Of what some methods do before the first update, as SalUn finds its mask. */
  preparationMilliseconds: z.number(),
  /** Resident memory of the worker process that needed most; null where none told. */
  peakMemoryBytes: count.nullable().default(null),
})

/** Before is null for `train` and `evaluate`, and for an `attack` that does not measure at step 0. */
export const measures = {
  forget: beforeAndAfter(forgetMeasure),
  keep: beforeAndAfter(keepMeasure),
  /** Of a classifier. */
  accuracy: beforeAndAfter(accuracyMeasure).default(neither),
  samples: beforeAndAfter(sampleMeasure).default(neither),
  /** In the order of the job; null where it has none. */
  extractors: beforeAndAfter(z.array(extractorMeasure)).default(neither),
  likelihood: beforeAndAfter(likelihoodMeasure).default(neither),
  /** By time. */
  membership: beforeAndAfter(z.array(membershipMeasure)).default(neither),
  /** L2 norm of the change of all weights. */
  distance: z.object({ after: measured }).default({ after: null }),
  attack: attackMeasure.nullable().default(null),
}

export type ForgetMeasure = z.output<typeof forgetMeasure>
export type KeepMeasure = z.output<typeof keepMeasure>
export type AccuracyMeasure = z.output<typeof accuracyMeasure>
export type ShareMeasure = z.output<typeof shareMeasure>
export type SampleMeasure = z.output<typeof sampleMeasure>
export type FeatureSpace = z.output<typeof featureSpace>
export type ScoreMean = z.output<typeof scoreMean>
export type ExtractorMeasure = z.output<typeof extractorMeasure>
export type LikelihoodMeasure = z.output<typeof likelihoodMeasure>
export type MembershipMeasure = z.output<typeof membershipMeasure>
export type AttackPoint = z.output<typeof attackPoint>
export type AttackMeasure = z.output<typeof attackMeasure>
export type CostMeasure = z.output<typeof costMeasure>
