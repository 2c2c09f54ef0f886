import type { Job } from './job.ts'

/**
 * One piece of measuring: `count` samples of a metric from number `start` on. Units are cut by the job alone, so which worker
 * computes one never changes a bit. `values` and `images` of the answer have one entry per sample.
 */
export interface EvaluationUnit {
  metric: 'reconstruction' | 'hits' | 'keepLoss'
  start: number
  count: number
}

/**
 * Answer to a unit. reconstruction and hits: value = L2 distance to the forgotten image; keepLoss: mean ε-loss of that sample. A model
 * that has diverged may give values that are not finite.
 */
export interface EvaluationResult {
  values: number[]
  /** 8-bit pictures, [count, height, width, channels] flattened; empty for keepLoss. */
  images: Uint8Array
}

/** The same job with nothing to measure. */
export function unmeasured(job: Job): Job {
  const { unitSize, threshold } = job.evaluate
  return { ...job, evaluate: { unitSize, threshold } }
}

export function evaluationUnits(job: Job): EvaluationUnit[] {
  const { reconstruction, hits, keepLoss, unitSize } = job.evaluate
  const totals: [EvaluationUnit['metric'], number][] = [
    ['reconstruction', reconstruction?.noises ?? 0],
    ['keepLoss', keepLoss?.samples ?? 0],
    ['hits', hits?.samples ?? 0],
  ]
  return totals.flatMap(([metric, total]) =>
    Array.from({ length: Math.ceil(total / unitSize) }, (_, k) => ({
      metric,
      start: k * unitSize,
      count: Math.min(unitSize, total - k * unitSize),
    })),
  )
}
