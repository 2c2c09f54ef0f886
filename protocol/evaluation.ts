import type { Score } from './extractors.ts'
import type { Job } from './job.ts'
import { itemsOf } from './sources.ts'

/** All but accuracy, which is of classifiers, are of models that draw images. */
export const metrics = [
  'reconstruction',
  'hits',
  'keepLoss',
  'samples',
  'references',
  'likelihood',
  'membership',
  'distance',
  'accuracy',
] as const
export type Metric = (typeof metrics)[number]

/**
 * One piece of measuring: `count` samples of a metric from number `start` on. Units are cut by the job alone, so which worker
 * computes one never changes a bit. `values` and `images` of the answer have one entry per sample.
 */
export interface EvaluationUnit {
  metric: Metric
  start: number
  count: number
}

/**
 * Answer to a unit. reconstruction and hits: value = L2 distance to the forgotten image; keepLoss: mean ε-loss of that sample;
 * accuracy: 1 where the classifier is right about that image, else 0; samples and references: the class that the classifier sees, NaN where what it says is not finite. A model that has diverged may give values that are not finite.
 */
export interface EvaluationResult {
  values: number[]
  /** 8-bit pictures, [count, height, width, channels] flattened; empty for keepLoss and accuracy. */
  images: Uint8Array
  /** What else is told of each image: matrices [count, width] in the order of `readingsOf`. Absent where there are none. */
  readings?: readonly Float32Array[]
}

/**
 * What is told of an image beside its value: its L2 distance to the nearest forgotten image, its number in the data, class probabilities
 * or features of the classifier, or what the extractor of that number gives.
 */
export type Reading = 'distance' | 'item' | 'probabilities' | 'features' | number

/**
 * Are hits and samples the same pictures, of one sampler and one key? So of a model without classes. They are drawn once then, as
 * `samples`, as many as the larger of the two numbers, and all of them are looked at for the forgotten image.
 */
export function areOneDraw({ hits, samples }: Job['evaluate']): boolean {
  if (!hits || !samples || samples.classes !== undefined || samples.guidance !== 0) return false
  return hits.sampler.name === samples.sampler.name && hits.sampler.steps === samples.sampler.steps
}

/** Which images each score needs. */
const imagesOf: Record<Score, readonly Metric[]> = { fid: ['samples', 'references'], sscd: ['reconstruction'], clip: ['samples'] }

/**
 * The readings of each image of a metric. Of an extractor for FID they are its features; for the other scores one number, that of the
 * image.
 */
export function readingsOf(evaluate: Job['evaluate'], metric: Metric): Reading[] {
  const { classifier, extractors = [] } = evaluate
  const isJudged = classifier !== undefined && (metric === 'samples' || metric === 'references')
  return [
    ...(metric === 'samples' && areOneDraw(evaluate) ? (['distance'] as const) : []),
    ...(metric === 'likelihood' ? (['item'] as const) : []),
    ...(isJudged ? (['probabilities', 'features'] as const) : []),
    ...extractors.flatMap(({ score }, number) => (imagesOf[score].includes(metric) ? [number] : [])),
  ]
}

/** Value of a sample where no classifier says a class. */
export const noClass = -1

/** Is it a class that a classifier saw? Not so where its logits were not finite; journals from before NaN said so have `noClass` there. */
export function isSeenClass(value: number): boolean {
  return value >= 0
}

/** The same job with nothing to measure. */
export function unmeasured(job: Job): Job {
  const { unitSize, threshold, before } = job.evaluate
  return { ...job, evaluate: { unitSize, threshold, before, distance: false } }
}

export function evaluationUnits(job: Job): EvaluationUnit[] {
  const { reconstruction, hits, keepLoss, samples, references, likelihood, membership, distance, accuracy, unitSize } = job.evaluate
  const isOneDraw = areOneDraw(job.evaluate)
  const drawn = samples ? (samples.classes?.length ?? 1) * samples.count : 0
  const totals: [Metric, number][] = [
    ['reconstruction', reconstruction?.noises ?? 0],
    ['keepLoss', keepLoss?.samples ?? 0],
    ['hits', isOneDraw ? 0 : (hits?.samples ?? 0)],
    ['samples', isOneDraw ? Math.max(drawn, hits?.samples ?? 0) : drawn],
    ['references', references?.samples ?? 0],
    ['likelihood', likelihood ? likelihood.images * likelihood.probes : 0],
    ['membership', membership ? 2 * membership.timesteps.length * membership.samples : 0],
    ['distance', distance ? 1 : 0],
    ['accuracy', accuracy ? (accuracy.samples ?? itemsOf(accuracy.sources) ?? 0) : 0],
  ]
  return totals.flatMap(([metric, total]) => {
    // One likelihood takes as long as many samples. Run n is of probe n mod `probes` of its image.
    const size = metric === 'likelihood' ? 1 : unitSize
    return Array.from({ length: Math.ceil(total / size) }, (_, k) => ({ metric, start: k * size, count: Math.min(size, total - k * size) }))
  })
}

/** The class of sample `number`; undefined where the job names no classes. */
export function classOfSample({ samples }: Job['evaluate'], number: number): number | undefined {
  return samples?.classes?.[Math.floor(number / samples.count)]
}

/** Measurement `number` of the membership loss: of which set, at what time, of the how manieth image. */
export function membershipOf(
  { membership }: Job['evaluate'],
  number: number,
): { set: 'forget' | 'keep'; timestep: number; sample: number } {
  const { timesteps, samples } = membership as NonNullable<Job['evaluate']['membership']>
  const [set, rest] = number % 2 === 0 ? (['forget', number / 2] as const) : (['keep', (number - 1) / 2] as const)
  return { set, timestep: timesteps[Math.floor(rest / samples)], sample: rest % samples }
}
