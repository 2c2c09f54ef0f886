import { dirname, resolve } from 'node:path'
import { LetheError } from '../errors.ts'
import { type IssueContext, named } from '../issues.ts'
import { combinationCount, combinations, filled, placeholdersOf, type Values } from './grid.ts'
import { referencesOf } from './references.ts'
import { type Experiment, type ExperimentEntry, fullBudget, maxExperimentJobs } from './schema.ts'

export interface ExpandOptions {
  /** The experiment file, absolute. */
  file: string
  /** Folder of the experiment, absolute: each job has a run folder `<out>/<id>`. */
  out: string
  budget?: string
  /** Overrides of every job that has what holds the key. */
  overrides?: readonly string[]
  locate: IssueContext['locate']
  /** The text of a job file. */
  read(path: string): string
}

/** What is known of a job before its references are looked up. */
export interface Draft {
  id: string
  /** The job file, absolute. */
  file: string
  row: Readonly<Record<string, string>> | null
  /** Where it stands in the experiment. */
  path: readonly PropertyKey[]
  set: readonly string[]
  /** Of the budget and of the command line, which pass by jobs that have no place for them. */
  general: readonly string[]
  special: readonly string[]
}

/** One for each combination of a grid, in the order of the file. @throws LetheError USAGE for an unknown budget, JOB_INVALID. */
export function draftsOf(experiment: Experiment, options: ExpandOptions): Draft[] {
  const { budget = fullBudget, locate } = options
  if (budget !== fullBudget && !Object.hasOwn(experiment.budgets, budget))
    throw new LetheError('USAGE', {
      message: `the experiment has no budget \`${budget}\``,
      expected: [...new Set([fullBudget, ...Object.keys(experiment.budgets)])].join(' or '),
      hint: 'Choose one with --set budget=<name>.',
    })
  checkCount(experiment, options)
  const drafts = experiment.jobs.flatMap((entry, index) => draftsOfEntry(experiment, entry, index, { ...options, budget }))
  checkIds(drafts, locate)
  return drafts
}

/** A few names with many values each are more jobs than fit into memory. */
function checkCount({ jobs, budgets }: Experiment, { budget = fullBudget, locate }: ExpandOptions): void {
  const only = Object.hasOwn(budgets, budget) ? budgets[budget].for : undefined
  const counts = jobs.map((entry) => combinationCount(entry.for, only))
  const total = counts.reduce((sum, count) => sum + count, 0)
  if (total <= maxExperimentJobs) return
  const index = counts.findIndex((count) => count > maxExperimentJobs)
  throw invalid(index < 0 ? ['jobs'] : ['jobs', index, 'for'], locate, {
    expected: `at most ${maxExperimentJobs} jobs`,
    received: `${total}`,
  })
}

function draftsOfEntry(
  { budgets }: Experiment,
  entry: ExperimentEntry,
  index: number,
  { file, budget, overrides = [], locate }: ExpandOptions & { budget: string },
): Draft[] {
  const path = ['jobs', index]
  const chosen = Object.hasOwn(budgets, budget) ? budgets[budget] : undefined
  checkPlaceholders(entry, path, locate)
  const unknown = Object.keys(entry.budgets ?? {}).find((one) => one !== fullBudget && !Object.hasOwn(budgets, one))
  if (unknown !== undefined)
    throw invalid([...path, 'budgets', unknown], locate, { expected: Object.keys(budgets).join(' or ') || 'no budgets' })
  return combinations(entry.for, chosen?.for).map((values: Values) => {
    const fill = (text: string) => filled(text, values)
    const labels = Object.entries(entry.row ?? {}).map(([label, text]) => [label, fill(String(text))])
    return {
      id: fill(entry.id),
      path,
      file: resolve(dirname(file), fill(entry.file)),
      set: entry.set.map(fill),
      general: [...(chosen?.set ?? []), ...overrides],
      special: entry.budgets?.[budget]?.map(fill) ?? [],
      row: entry.row ? Object.fromEntries(labels) : null,
    }
  })
}

function checkPlaceholders(entry: ExperimentEntry, path: readonly PropertyKey[], locate: IssueContext['locate']): void {
  const known = Object.keys(entry.for ?? {})
  const texts: [PropertyKey[], string][] = [
    [['id'], entry.id],
    [['file'], entry.file],
    ...entry.set.map((text, i): [PropertyKey[], string] => [['set', i], text]),
    ...Object.entries(entry.budgets ?? {}).flatMap(([name, set]) => set.map((text): [PropertyKey[], string] => [['budgets', name], text])),
    ...Object.entries(entry.row ?? {}).map(([label, text]): [PropertyKey[], string] => [['row', label], String(text)]),
  ]
  for (const [key, text] of texts) {
    const unknown = placeholdersOf(text).find((name) => !known.includes(name))
    if (unknown !== undefined)
      throw invalid([...path, ...key], locate, {
        expected: known.length > 0 ? `one of ${known.map((name) => `{${name}}`).join(', ')}` : 'no placeholder, as there is no `for`',
        received: `{${unknown}}`,
      })
  }
  const unused = known.find((name) => !placeholdersOf(entry.id).includes(name))
  if (unused !== undefined)
    throw invalid([...path, 'id'], locate, { expected: `{${unused}} in it, because \`for\` names it`, received: JSON.stringify(entry.id) })
}

function checkIds(drafts: readonly Draft[], locate: IssueContext['locate']): void {
  const places = new Map<string, readonly PropertyKey[]>()
  for (const { id, path } of drafts) {
    if (!/^[a-z0-9][a-z0-9-]{0,62}$/.test(id))
      throw invalid([...path, 'id'], locate, { expected: 'lower-case letters, digits and hyphens', received: JSON.stringify(id) })
    const earlier = places.get(id)
    if (earlier) throw invalid([...path, 'id'], locate, { expected: `an id that is not taken by ${named(earlier, locate)}`, received: id })
    places.set(id, path)
  }
  for (const { set, special, path } of drafts)
    for (const [i, override] of [...set, ...special].entries()) {
      const unknown = referencesOf(override).find((id) => !places.has(id))
      const place = i < set.length ? [...path, 'set', i] : [...path, 'budgets']
      if (unknown !== undefined)
        throw invalid(place, locate, { expected: '@ and the id of a job of this experiment', received: `@${unknown}` })
    }
}

/** Names the place in the experiment. */
export function invalid(
  path: readonly PropertyKey[],
  locate: IssueContext['locate'],
  details: { expected: string; received?: string },
): LetheError {
  const hint = 'docs/experiments.md has every key of an experiment.'
  return new LetheError('JOB_INVALID', { message: `${named(path, locate)} is not allowed`, ...details, hint })
}
