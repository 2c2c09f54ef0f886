import { z } from 'zod'

/*
 * An experiment: a file that names many jobs, which are run one after the other and end in one table. `expand.ts` makes the jobs of it.
 */

/** Jobs after expansion; slips of the keyboard make more. */
export const maxExperimentJobs = 10_000

const override = z.string().min(1).max(10_000)
const overrides = z.array(override).max(1000)
const value = z.union([z.string().min(1).max(200), z.number()])
const gridName = z.string().regex(/^[a-z][a-zA-Z0-9]*$/, 'a letter, then letters and digits')
const grid = z.record(gridName, z.array(value).min(1).max(1000))

/** How much is spent. `full` is what the jobs say. */
const budget = z.strictObject({
  /** Overrides of every job that has what holds the key: `training.steps=4` passes by a job that only evaluates. */
  set: overrides.default([]),
  /** Only these values of the grids. */
  for: grid.optional(),
})

const entry = z.strictObject({
  /** `{name}` stands for a value of the grid, here and in `file`, `set` and `row`. */
  id: z.string().min(1).max(200),
  /** Every combination of these values is a job. */
  for: grid.optional(),
  /** The job file, relative to the experiment. */
  file: z.string().min(1),
  /** Overrides as of `lethe run --set`; `@id` stands for the checkpoint of that job. */
  set: overrides.default([]),
  /** Labels of the line of the table that this job fills; none for a job that only others need. `seed` and `attack` are reserved. */
  row: z.record(z.string().min(1).max(100), value).optional(),
  /** Overrides of this job in a budget, after those of the budget. */
  budgets: z.record(z.string(), overrides).optional(),
})

export const experimentSchema = z.strictObject({
  kind: z.literal('experiment'),
  name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'lower-case letters, digits and hyphens'),
  title: z.string().min(1).max(200).optional(),
  /** What is asked, for the head of the page. */
  text: z.string().max(4000).optional(),
  budgets: z.record(z.string().regex(/^[a-z][a-z0-9-]*$/), budget).default({}),
  /** What a value of a label is called in the table. */
  titles: z.record(z.string(), z.string().min(1).max(100)).default({}),
  jobs: z.array(entry).min(1).max(maxExperimentJobs),
})

export type Experiment = z.output<typeof experimentSchema>
export type ExperimentEntry = Experiment['jobs'][number]

/** The budget that is taken where none is named, and that every experiment has. */
export const fullBudget = 'full'
