import type { Job } from '../../protocol/job.ts'
import type { AccuracyMeasure, ForgetMeasure, KeepMeasure, RunReport } from '../../protocol/report.ts'
import { intervalOfMean, mean, standardErrorOf } from '../measures/means.ts'
import { wilsonInterval } from '../measures/wilson.ts'
import { attackMeasure } from './attack.ts'
import { costOf } from './cost.ts'
import { likelihoodMeasure, membershipMeasure } from './density.ts'
import { extractorMeasures } from './extractors.ts'
import type { Phase, ReportInput, UnitResults } from './input.ts'
import { sampleMeasure } from './samples.ts'
import { closeTo, finite, sampleDistances, valuesOf } from './values.ts'

/** What `summarize` gives: all but what needs more than one look at the values. */
export type Summary = Pick<RunReport, 'forget' | 'keep' | 'accuracy' | 'likelihood' | 'membership' | 'distance'>

/** The metrics of a run from its evaluation units. Pure; the order of units within a phase does not matter. */
export function summarize(job: Job, results: ReadonlyMap<Phase, UnitResults>): Summary {
  const both = <Measure>(measure: (job: Job, results: UnitResults | undefined) => Measure) => ({
    before: measure(job, results.get('before')),
    after: measure(job, results.get('after')),
  })
  return {
    forget: both(forgetMeasure),
    keep: both(keepMeasure),
    accuracy: both(accuracyMeasure),
    likelihood: both(likelihoodMeasure),
    membership: both(membershipMeasure),
    distance: { after: finite(valuesOf(job, 'distance', results.get('after'))?.[0] ?? Number.NaN) },
  }
}

/** The whole report, with everything that is computed from the results of units. */
export async function reportOf(input: ReportInput): Promise<RunReport> {
  const { job, evaluation, classifierSha256 } = input
  const samplesOf = (phase: Phase) => sampleMeasure(job, evaluation.get(phase), classifierSha256)
  const extractorsOf = (phase: Phase) => extractorMeasures(job, evaluation.get(phase), input.extractors)
  return {
    name: job.name,
    kind: job.kind,
    method: job.kind === 'evaluate' ? null : job.method.name,
    workers: input.workers,
    steps: input.steps,
    rounds: input.history.length,
    stepsPerSecond: input.stepsPerSecond,
    cost: costOf(input),
    checkpoint: { ...input.checkpoint },
    ...summarize(job, evaluation),
    samples: { before: await samplesOf('before'), after: await samplesOf('after') },
    extractors: { before: await extractorsOf('before'), after: await extractorsOf('after') },
    attack: attackMeasure(job, input.measured, input.attack),
    faults: [...input.faults],
    reduction: input.reduction,
    seed: job.seed,
    engine: input.engine,
    parameterCount: input.parameterCount,
    data: { items: input.items, forgetItems: input.forgetItems, manifestDigest: input.manifestDigest, forgetDigest: input.forgetDigest },
    parentSha256: input.parentSha256,
    classifierSha256,
    job: { ...job },
    jobDigest: input.jobDigest,
    history: [...input.history],
    wallMs: { ...input.wallMs },
    versions: { ...input.versions },
  }
}

function forgetMeasure(job: Job, results: UnitResults | undefined): ForgetMeasure | null {
  const reconstructions = valuesOf(job, 'reconstruction', results)
  const samples = sampleDistances(job, results)
  if (!reconstructions || !samples || reconstructions.length + samples.length === 0) return null
  const { threshold, reconstruction } = job.evaluate
  const hits = closeTo(job, samples)
  return {
    reconstructionL2: reconstructions.length > 0 ? finite(mean(reconstructions)) : null,
    reconstructionInterval: intervalOfMean(reconstructions),
    reconstructed: closeTo(job, reconstructions),
    noises: reconstructions.length,
    timestep: reconstruction?.timestep ?? null,
    hits,
    samples: samples.length,
    hitInterval: hits === null ? null : wilsonInterval(hits, samples.length),
    threshold,
    reconstructionDistances: reconstructions.map(finite),
    sampleDistances: samples.map(finite),
  }
}

function keepMeasure(job: Job, results: UnitResults | undefined): KeepMeasure | null {
  const losses = valuesOf(job, 'keepLoss', results)
  if (!losses || losses.length === 0) return null
  const standardError = finite(standardErrorOf(losses))
  return { loss: finite(mean(losses)), samples: losses.length, standardError, losses: losses.map(finite) }
}

function accuracyMeasure(job: Job, results: UnitResults | undefined): AccuracyMeasure | null {
  const rights = valuesOf(job, 'accuracy', results)
  if (!rights || rights.length === 0) return null
  const correct = rights.filter((value) => value === 1).length
  const samples = rights.length
  return { accuracy: correct / samples, correct, samples, interval: wilsonInterval(correct, samples) }
}
