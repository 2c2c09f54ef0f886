import { z } from 'zod'

/*
 * experiment.json: the table of an experiment with everything that it was made from. experiment.html shows the same numbers.
 */

const count = z.int().min(0)
const interval = z.tuple([z.number(), z.number()])
const sha256 = z.string().regex(/^[0-9a-f]{64}$/)

/** How a job ended: `unfinished` where it was not run, or not to its end. */
export const jobOutcome = z.object({
  state: z.enum(['finished', 'failed', 'skipped', 'unfinished']),
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
})
export type JobOutcome = z.output<typeof jobOutcome>

/** What one job says of a number. `part` of `samples` where it is a share; `samples` is null where there is nothing to count. */
const reading = z.object({
  seed: z.string(),
  job: z.string(),
  value: z.number().nullable(),
  part: count.nullable(),
  samples: count.nullable(),
})

/** A number over all seeds. Null where no job has it, or one has diverged. */
const cell = z.object({
  value: z.number().nullable(),
  /** 95 %. */
  interval: interval.nullable(),
  /** How `value` came of the readings. */
  reduction: z.enum(['mean over seeds', 'pooled over seeds', 'median over seeds']),
  /**
   * `wilson`: of all samples together. `student`: t over seeds; of the only seed over its samples, noises, chunks or probes. `jackknife`,
   * `bootstrap`: of the only seed, over its samples. Of shares over seeds the wider of `wilson` and `student`. Tables from before also
   * have `bootstrap` over seeds, and `normal`.
   */
  intervalKind: z.enum(['wilson', 'student', 'jackknife', 'bootstrap', 'normal']).nullable(),
  readings: z.array(reading),
})

/**
 * The step at which half of what the original model shows is back: the median over seeds; where that seed is censored, `censoredAt`. Both
 * are null where a share is not finite.
 */
const halfRecovery = z.object({
  step: z.number().nullable(),
  censoredAt: count.nullable(),
  readings: z.array(
    z.object({
      seed: z.string(),
      job: z.string(),
      step: z.number().nullable(),
      censoredAt: count.nullable(),
      /** Half of the share of the original model; half of 1 where `original` is null. Null where that share is not finite. */
      target: z.number().nullable(),
      original: z.string().nullable(),
    }),
  ),
})

/** An attack on one model, over all seeds. */
const attackArm = z.object({
  start: cell,
  end: cell,
  /** Mean share over the steps of the attack (trapezoids). */
  area: cell,
  half: halfRecovery,
  /** L2 norm of the change of the weights by the attack. */
  distance: cell,
  /** The mean over seeds. `low` and `high`: the least and the most of the seeds, the Wilson interval where there is one seed. */
  curve: z.array(z.object({ step: count, share: z.number(), low: z.number(), high: z.number() })),
  /** `part` is null where it is not finite. `isCarried`: an attack that had succeeded was not continued, its last share stands for the rest. */
  seeds: z.array(
    z.object({
      seed: z.string(),
      job: z.string(),
      points: z.array(z.object({ step: count, part: count.nullable(), samples: count, isCarried: z.boolean() })),
    }),
  ),
})

const attack = attackArm.extend({
  name: z.string(),
  /** Whose share is followed: samples of forgotten classes that are recognised, samples or reconstructions that are the image. */
  measure: z.enum(['recognised', 'hits', 'reconstructed']),
  controls: z.object({ original: attackArm.nullable(), retrained: attackArm.nullable() }),
})

const column = z.object({
  key: z.string(),
  label: z.string(),
  note: z.string(),
  isShare: z.boolean(),
  better: z.enum(['higher', 'lower']).nullable(),
})

const row = z.object({
  labels: z.record(z.string(), z.string()),
  title: z.string(),
  seeds: z.array(z.string()),
  /** By key of the column. */
  cells: z.record(z.string(), cell),
  attacks: z.array(attack),
  jobs: z.array(z.string()),
  /** The command that makes this row once more. */
  rerun: z.string(),
})

const job = jobOutcome.extend({
  id: z.string(),
  kind: z.string(),
  method: z.string().nullable(),
  dependsOn: z.array(z.string()),
  controls: z.object({ original: z.string(), retrained: z.string() }).nullable(),
  row: z.record(z.string(), z.string()).nullable(),
  command: z.string(),
  /** What follows is null until the job has finished. */
  seed: count.nullable(),
  jobDigest: sha256.nullable(),
  checkpointSha256: sha256.nullable(),
  parentSha256: sha256.nullable(),
  forgetDigest: sha256.nullable(),
  classifierSha256: sha256.nullable(),
  engine: z.string().nullable(),
  wallMs: z.number().nullable(),
  versions: z.record(z.string(), z.string()).nullable(),
})

const axis = z.object({ of: z.enum(['forgetting', 'quality', 'robustness']), label: z.string(), goal: z.enum(['maximise', 'minimise']) })

export const experimentReport = z.object({
  name: z.string(),
  title: z.string(),
  text: z.string(),
  budget: z.string(),
  columns: z.array(column),
  rows: z.array(row),
  /** What the rows are compared by: a value for each axis; `front` are the numbers of the rows on the Pareto front. */
  comparison: z.object({ axes: z.array(axis), values: z.array(z.array(z.number().nullable())), front: z.array(count) }),
  jobs: z.array(job),
})

/** What an experiment.json of any version says of how its jobs ended. */
export const jobOutcomes = z.object({ jobs: z.array(jobOutcome.extend({ id: z.string() })) })

export type ExperimentReport = z.output<typeof experimentReport>
export type Cell = z.output<typeof cell>
export type Reading = z.output<typeof reading>
export type AttackArm = z.output<typeof attackArm>
export type ExperimentAttack = z.output<typeof attack>
export type ExperimentRow = z.output<typeof row>
export type ExperimentColumn = z.output<typeof column>
export type HalfRecovery = z.output<typeof halfRecovery>
