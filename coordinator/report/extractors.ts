import { classOfSample } from '../../protocol/evaluation.ts'
import { extractorName } from '../../protocol/extractors.ts'
import type { Job } from '../../protocol/job.ts'
import type { ExtractorMeasure, FeatureSpace, ScoreMean } from '../../protocol/report.ts'
import { frechetDistance } from '../measures/frechet.ts'
import { bootstrapInterval } from '../measures/intervals.ts'
import { frechetInterval } from '../measures/jackknife.ts'
import { mean } from '../measures/means.ts'
import type { Instrument, UnitResults } from './input.ts'
import { isForgotten, keptSamples } from './shares.ts'
import { finite, readingOf, rowsAt } from './values.ts'

/**
 * What each extractor says of a model, in the order of the job; null where nothing was measured through one. An extractor that saw too few
 * images for its score is left out.
 */
export async function extractorMeasures(
  job: Job,
  results: UnitResults | undefined,
  instruments: readonly Instrument[],
): Promise<ExtractorMeasure[] | null> {
  if (!results || instruments.length === 0) return null
  const measures: ExtractorMeasure[] = []
  for (const [number, instrument] of instruments.entries()) {
    const measure = await measureOf(job, results, number, instrument)
    if (measure) measures.push(measure)
  }
  return measures.length > 0 ? measures : null
}

async function measureOf(job: Job, results: UnitResults, number: number, instrument: Instrument): Promise<ExtractorMeasure | null> {
  const { extractors = [], reconstruction } = job.evaluate
  const [{ score }, space, { seed }] = [extractors[number], spaceOf(extractors[number], instrument), job]
  const read = (metric: Parameters<typeof readingOf>[1]) => readingOf(job, metric, number, results)
  switch (score) {
    case 'fid': {
      const [drawn, real] = [read('samples'), read('references')]
      if (!drawn || !real) return null
      const kept = rowsAt(drawn, keptSamples(job, results))
      const value = await frechetDistance(kept, real)
      const interval = await frechetInterval(kept, real, value)
      return value === null ? null : { score, space, value: finite(value), interval, samples: kept.rows, references: real.rows, seed }
    }
    case 'sscd': {
      const similarities = read('reconstruction')
      if (!similarities || !reconstruction) return null
      return { score, space, reconstructions: await meanOf(Array.from(similarities.values), seed), timestep: reconstruction.timestep, seed }
    }
    case 'clip': {
      const values = read('samples')?.values
      if (!values || instrument.captionsSha256 === null) return null
      const of = async (side: boolean) => {
        const chosen = Array.from(values).filter((_, number) => isForgotten(job, classOfSample(job.evaluate, number)) === side)
        return chosen.length > 0 ? meanOf(chosen, seed) : null
      }
      return { score, space, captionsSha256: instrument.captionsSha256, forgotten: await of(true), kept: await of(false), seed }
    }
  }
}

type Options = NonNullable<Job['evaluate']['extractors']>[number]

function spaceOf(options: Options, { captionsSha256: _, ...opened }: Instrument): FeatureSpace {
  const { mean, std } = options
  return { ...opened, name: extractorName(options), resize: 'bilinear', mean: [...mean], std: [...std] }
}

async function meanOf(values: readonly number[], seed: number): Promise<ScoreMean> {
  const resampled = (sampled: Uint32Array) => sampled.reduce((sum, i) => sum + values[i], 0) / sampled.length
  const interval = await bootstrapInterval(values.length, resampled, { seed })
  return { mean: finite(mean(values)), interval, values: values.map(finite), samples: values.length }
}
