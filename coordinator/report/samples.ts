import type { Job } from '../../protocol/job.ts'
import type { SampleMeasure } from '../../protocol/report.ts'
import { frechetDistance } from '../measures/frechet.ts'
import { errorOfChunks, type InceptionScore, inceptionScore } from '../measures/inception-score.ts'
import { frechetInterval } from '../measures/jackknife.ts'
import { studentInterval } from '../measures/means.ts'
import { defaultNeighbours, precisionAndRecall } from '../measures/neighbours.ts'
import { wilsonInterval } from '../measures/wilson.ts'
import type { UnitResults } from './input.ts'
import { keptSamples, sharesOf } from './shares.ts'
import { namedDigits } from './text.ts'
import { finite, readingOf, rowsAt, valuesOf } from './values.ts'

/** As in the SISS evaluation. */
const scoreChunks = 10

/**
 * What a classifier says of samples, where there is one; null where no samples were asked for. Distances are between the samples of kept classes and
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
  const probabilities = readingOf(job, 'samples', 'probabilities', results)
  const kept = keptSamples(job, results ?? [])
  const score = probabilities && inceptionScore(rowsAt(probabilities, kept), { seed: job.seed, chunks: scoreChunks })
  const [drawn, real] = (['samples', 'references'] as const).map((metric) => readingOf(job, metric, 'features', results))
  return {
    ...sharesOf(job, seen),
    guidance: samples.guidance,
    sampler: { ...samples.sampler },
    inceptionScore: score && scoreOf(score),
    ...(drawn && real && classifierSha256 !== null
      ? await compared(rowsAt(drawn, kept), real, `features of ImageClassifier ${classifierSha256.slice(0, namedDigits)}`)
      : { frechetDistance: null, precisionRecall: null }),
  }
}

function scoreOf({ mean, standardDeviation, chunks, samples }: InceptionScore): NonNullable<SampleMeasure['inceptionScore']> {
  const error = errorOfChunks(standardDeviation, chunks)
  const interval = studentInterval(mean, error, chunks - 1)
  return { mean: finite(mean), standardDeviation: finite(standardDeviation), interval, chunks, samples }
}

/** Of the one set, with the other taken as it is. */
function shareInterval(share: number | null, of: number): [number, number] | null {
  return share === null ? null : wilsonInterval(Math.round(share * of), of)
}

type Features = Parameters<typeof frechetDistance>[0]

async function compared(
  generated: Features,
  real: Features,
  featureSpace: string,
): Promise<Pick<SampleMeasure, 'frechetDistance' | 'precisionRecall'>> {
  const sizes = { featureSpace, samples: generated.rows, references: real.rows }
  const distance = await frechetDistance(generated, real)
  const found = await precisionAndRecall(real, generated, { neighbours: defaultNeighbours })
  // Of features that are not finite it would count none, which is a number that says nothing.
  const shares = found && distance !== null && !Number.isFinite(distance) ? { precision: null, recall: null } : found
  return {
    frechetDistance:
      distance === null ? null : { value: finite(distance), interval: await frechetInterval(generated, real, distance), ...sizes },
    precisionRecall: shares && {
      ...shares,
      precisionInterval: shareInterval(shares.precision, generated.rows),
      recallInterval: shareInterval(shares.recall, real.rows),
      neighbours: defaultNeighbours,
      ...sizes,
    },
  }
}
