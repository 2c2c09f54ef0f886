import type { JobResult } from '../../coordinator/experiment/input.ts'
import { wilsonInterval } from '../../coordinator/measures/wilson.ts'
import type { ExperimentJob } from '../../protocol/experiment/expansion.ts'
import { jobSchema } from '../../protocol/job.ts'
import { type RunReport, runReport } from '../../protocol/report.ts'

/* Made-up runs of an experiment. */

const sha = 'a'.repeat(64)

function jobOf(kind: 'unlearn' | 'attack', name: string, seed: number): ExperimentJob['job'] {
  return jobSchema.parse({
    kind,
    name,
    seed,
    model: { checkpoint: 'model' },
    data: { sources: [{ type: 'mnist' }], forget: { labels: [3] } },
    ...(kind === 'unlearn' ? { method: { name: 'neggrad' } } : { attack: { measureAt: [0, 10, 20] } }),
    training: { steps: kind === 'unlearn' ? 5 : 20, batchSize: 4, microBatchSize: 2 },
  })
}

function reportOf(job: ExperimentJob['job'], measures: Partial<RunReport>): RunReport {
  return runReport.parse({
    name: job.name,
    kind: job.kind,
    method: job.kind === 'evaluate' ? null : job.method.name,
    workers: 1,
    steps: 5,
    stepsPerSecond: 1,
    checkpoint: { path: 'x', sha256: sha },
    forget: { before: null, after: null },
    keep: { before: null, after: null },
    faults: [],
    reduction: null,
    seed: job.seed,
    engine: 'onnx',
    parameterCount: 1,
    data: { items: 10, forgetItems: 1, manifestDigest: sha, forgetDigest: sha },
    parentSha256: sha,
    job: { ...job },
    jobDigest: sha,
    history: [],
    wallMs: { train: 1000, measure: 500 },
    versions: { lethe: '0' },
    ...measures,
  })
}

interface Made {
  seed?: number
  row?: ExperimentJob['row']
  controls?: ExperimentJob['controls']
}

function result(
  job: ExperimentJob['job'],
  id: string,
  { row = null, controls = null }: Made,
  measures: Partial<RunReport> | null,
): JobResult {
  return {
    job: { id, file: '/lab/job.yaml', set: [], job, written: job, dependsOn: [], row, controls },
    state: measures ? 'finished' : 'unfinished',
    error: null,
    command: `npx lethe run job.yaml --out runs/${id}`,
    report: measures && reportOf(job, measures),
  }
}

/** A model after unlearning; null measures for one that has not finished. */
export function madeUpModel(id: string, made: Made, measures: Partial<RunReport> | null): JobResult {
  return result(jobOf('unlearn', id, made.seed ?? 0), id, made, measures)
}

/** An attack of which so many of 100 samples are recognised at steps 0, 10, 20; fewer numbers where it stopped early, null where it is not finite. */
export function madeUpAttack(id: string, made: Made, recognised: readonly (number | null)[]): JobResult {
  const points = recognised.map((count, i) => ({
    step: 10 * i,
    forgotten: { samples: 100, recognised: count, interval: count === null ? null : wilsonInterval(count, 100) },
    kept: null,
    distance: i,
    hits: null,
    reconstructed: null,
  }))
  const stoppedAt = recognised.length < 3 ? 10 * (recognised.length - 1) : null
  const attack = { images: 'retain' as const, labels: 'own' as const, points, areaUnderCurve: null, halfRecovery: null, stoppedAt }
  return result(jobOf('attack', id.replaceAll('.', '-'), made.seed ?? 0), id, made, { attack })
}

/** Samples of which the classifier takes so many of 10 for the forgotten class, and so many of 90 for their kept ones. */
export function recognised(forgotten: number | null, kept: number | null): Partial<RunReport> {
  const share = (part: number | null, samples: number) => ({
    samples,
    recognised: part,
    interval: part === null ? null : wilsonInterval(part, samples),
  })
  const after = {
    classes: [],
    forgotten: share(forgotten, 10),
    kept: share(kept, 90),
    guidance: 0,
    sampler: { name: 'ddim', steps: 5 },
    inceptionScore: null,
    frechetDistance: null,
    precisionRecall: null,
  }
  return { samples: { before: null, after } }
}

/** Mean ε-loss of kept data. */
export function keptLoss(loss: number, standardError = 0.01): Partial<RunReport> {
  return { keep: { before: null, after: { loss, samples: 8, standardError, losses: [] } } }
}
