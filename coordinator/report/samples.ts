import { classOfSample } from '../../protocol/evaluation.ts'
import type { Job } from '../../protocol/job.ts'
import type { SampleMeasure } from '../../protocol/report.ts'
import { frechetDistance } from '../measures/frechet.ts'
import { inceptionScore } from '../measures/inception-score.ts'
import { defaultNeighbours, precisionAndRecall } from '../measures/neighbours.ts'
import type { UnitResults } from './input.ts'
import { isForgotten, sharesOf } from './shares.ts'
import { finite, judgedOf, rowsAt, valuesOf } from './values.ts'

/** As in the SISS evaluation. */
const scoreChunks = 10

/** By how many digits of its SHA-256 the classifier of a feature space is named. */
const namedDigits = 12

/**
 * What a classifier says of samples; null where none were asked for. Distances are between the samples of kept classes and
 * `evaluate.references`, so that they do not count forgetting as a loss of quality.
 */
export async function sampleMeasure(
  job: Job,
  results: UnitResults | undefined,
  classifierSha256: string | null,
): Promise<SampleMeasure | null> {
  const { samples } = job.evaluate
  const seen = valuesOf(job, 'samples', results)
  if (!samples || !seen || seen.length === 0) return null
  const judged = judgedOf(job, 'samples', results)
  const kept = seen.flatMap((_, number) => (isForgotten(job, classOfSample(job.evaluate, number)) ? [] : [number]))
  const score = judged && inceptionScore(rowsAt(judged.probabilities, kept), { seed: job.seed, chunks: scoreChunks })
  const real = judgedOf(job, 'references', results)?.features
  return {
    ...sharesOf(job, seen),
    guidance: samples.guidance,
    sampler: { ...samples.sampler },
    inceptionScore: score && { ...score, mean: finite(score.mean), standardDeviation: finite(score.standardDeviation) },
    ...(judged && real && classifierSha256 !== null
      ? await compared(rowsAt(judged.features, kept), real, `features of ImageClassifier ${classifierSha256.slice(0, namedDigits)}`)
      : { frechetDistance: null, precisionRecall: null }),
  }
}

type Features = Parameters<typeof frechetDistance>[0]

async function compared(
  generated: Features,
  real: Features,
  featureSpace: string,
): Promise<Pick<SampleMeasure, 'frechetDistance' | 'precisionRecall'>> {
  const sizes = { featureSpace, samples: generated.rows, references: real.rows }
  const distance = await frechetDistance(generated, real)
  const shares = await precisionAndRecall(real, generated, { neighbours: defaultNeighbours })
  return {
    frechetDistance: distance === null ? null : { value: finite(distance), ...sizes },
    precisionRecall: shares && { ...shares, neighbours: defaultNeighbours, ...sizes },
  }
}
