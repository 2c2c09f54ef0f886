import { LetheError } from '../../protocol/errors.ts'
import type { EvaluationUnit } from '../../protocol/evaluation.ts'
import { evaluationUnits } from '../../protocol/evaluation.ts'
import type { Job } from '../../protocol/job.ts'
import type { AccuracyMeasure, ForgetMeasure, KeepMeasure, RunReport } from '../../protocol/report.ts'
import type { Phase, ReportInput, UnitResults } from './input.ts'

/** The metrics of a run from its evaluation units. Pure; the order of units within a phase does not matter. */
export function summarize(job: Job, results: ReadonlyMap<Phase, UnitResults>): Pick<RunReport, 'forget' | 'keep' | 'accuracy'> {
  const both = <Measure>(measure: (job: Job, results: UnitResults | undefined) => Measure) => ({
    before: measure(job, results.get('before')),
    after: measure(job, results.get('after')),
  })
  return { forget: both(forgetMeasure), keep: both(keepMeasure), accuracy: both(accuracyMeasure) }
}

export function reportOf(input: ReportInput): RunReport {
  const { job } = input
  return {
    name: job.name,
    kind: job.kind,
    method: job.kind === 'evaluate' ? null : job.method.name,
    workers: input.workers,
    steps: input.steps,
    stepsPerSecond: input.stepsPerSecond,
    checkpoint: { ...input.checkpoint },
    ...summarize(job, input.evaluation),
    faults: [...input.faults],
    reduction: input.reduction,
    seed: job.seed,
    engine: input.engine,
    parameterCount: input.parameterCount,
    data: { items: input.items, forgetItems: input.forgetItems, manifestDigest: input.manifestDigest, forgetDigest: input.forgetDigest },
    parentSha256: input.parentSha256,
    job: { ...job },
    jobDigest: input.jobDigest,
    history: [...input.history],
    wallMs: { ...input.wallMs },
    versions: { ...input.versions },
  }
}

/** Values of one metric by sample number, or undefined where the phase was not measured. Throws INTERNAL where a unit is missing. */
export function valuesOf(job: Job, metric: EvaluationUnit['metric'], results: UnitResults | undefined): number[] | undefined {
  if (!results) return undefined
  const answers = new Map(results.filter(({ unit }) => unit.metric === metric).map(({ unit, result }) => [unit.start, result]))
  return evaluationUnits(job)
    .filter((unit) => unit.metric === metric)
    .flatMap(({ start, count }) => {
      const values = answers.get(start)?.values
      if (values?.length !== count)
        throw new LetheError('INTERNAL', {
          message: `the evaluation of ${metric} is not complete`,
          expected: `${count} values from ${start} on`,
          received: `${values?.length ?? 0}`,
        })
      return [...values]
    })
}

/** Wilson score interval of a share, 95 % (Wilson 1927): sensible at 0 hits too, where the plain interval has no width. */
export function wilsonInterval(hits: number, samples: number): [number, number] {
  const z = 1.959963984540054
  const share = hits / samples
  const scale = 1 + z ** 2 / samples
  const centre = (share + z ** 2 / (2 * samples)) / scale
  const half = (z / scale) * Math.sqrt((share * (1 - share)) / samples + z ** 2 / (4 * samples ** 2))
  return [hits === 0 ? 0 : Math.max(0, centre - half), hits === samples ? 1 : Math.min(1, centre + half)]
}

function forgetMeasure(job: Job, results: UnitResults | undefined): ForgetMeasure | null {
  const reconstructions = valuesOf(job, 'reconstruction', results)
  const samples = valuesOf(job, 'hits', results)
  if (!reconstructions || !samples || reconstructions.length + samples.length === 0) return null
  const { threshold, reconstruction } = job.evaluate
  const close = (distances: number[]) => distances.filter((distance) => distance < threshold).length
  const hits = samples.length > 0 ? close(samples) : null
  return {
    reconstructionL2: reconstructions.length > 0 ? finite(mean(reconstructions)) : null,
    reconstructed: reconstructions.length > 0 ? close(reconstructions) : null,
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
  const loss = mean(losses)
  const variance = losses.reduce((sum, value) => sum + (value - loss) ** 2, 0) / Math.max(1, losses.length - 1)
  const standardError = finite(Math.sqrt(variance / losses.length))
  return { loss: finite(loss), samples: losses.length, standardError, losses: losses.map(finite) }
}

function accuracyMeasure(job: Job, results: UnitResults | undefined): AccuracyMeasure | null {
  const rights = valuesOf(job, 'accuracy', results)
  if (!rights || rights.length === 0) return null
  const correct = rights.filter((value) => value === 1).length
  const samples = rights.length
  return { accuracy: correct / samples, correct, samples, interval: wilsonInterval(correct, samples) }
}

/** JSON has no other numbers. */
function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}
