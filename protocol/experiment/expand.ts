import { dirname } from 'node:path'
import { LetheError } from '../errors.ts'
import { named } from '../issues.ts'
import type { AttackJob, Job } from '../job.ts'
import { jobOf, resolvePaths } from '../jobfile.ts'
import { type Override, parseOverride } from '../overrides.ts'
import { mapPaths } from '../paths.ts'
import { readYaml, type YamlText } from '../yaml.ts'
import { type ControlArm, checkControls, contentDigest, controlArms, controlCheckpoint, withoutControls } from './arms.ts'
import { type Draft, draftsOf, type ExpandOptions, invalid } from './drafts.ts'
import type { Expansion, ExperimentJob } from './expansion.ts'
import { dependencyOrder } from './order.ts'
import { checkpointPath, withPaths } from './references.ts'
import { checkCells } from './rows.ts'
import { type Experiment, fullBudget } from './schema.ts'

/**
 * The jobs of an experiment, in an order in which they can be run. Nothing is read but through `read`.
 * @throws LetheError JOB_INVALID and others of a job file, naming the place in the experiment; USAGE for an unknown budget.
 */
export function expandExperiment(experiment: Experiment, options: ExpandOptions): Expansion {
  const drafts = draftsOf(experiment, options)
  const texts = new Map<string, YamlText>()
  const parse: Parse = (file, overrides) => {
    const text = texts.get(file) ?? readYaml(options.read(file), 'job', file)
    texts.set(file, text)
    return jobOf(text, overrides)
  }
  const used = new Set<string>()
  const jobs = drafts.map((draft) => ({ draft, ...resolvedJob(draft, { out: options.out, parse }, used) }))
  const idle = options.overrides?.find((override) => !used.has(override))
  if (idle !== undefined) throw new LetheError('USAGE', { message: `--set ${idle} is of no job of the experiment` })
  const all = withArms(jobs, parse)
  checkCells(all, (id) => {
    const draft = drafts.find((one) => one.id === id)
    return named([...(draft?.path ?? []), 'row'], options.locate)
  })
  const { name, title = name, text = '', titles } = experiment
  const { budget = fullBudget } = options
  return { name, title, text, budget, titles, jobs: ordered(all, drafts, options) }
}

/** The job of a file with these overrides. Files are read and parsed once. */
type Parse = (file: string, overrides: readonly string[]) => Job

type Resolved = Pick<ExperimentJob, 'set' | 'written' | 'job'>

/** The job of a draft, its general overrides only where they have a place; `used` collects those. */
function resolvedJob(draft: Draft, { out, parse }: { out: string; parse: Parse }, used: Set<string>): Resolved {
  return ofJob(draft.id, () => {
    const own = draft.set.map((override) => withPaths(override, out, dirname(draft.file)))
    const whole = parse(draft.file, own)
    const fitting = draft.general.filter((override) => hasPlace(whole, parseOverride(override)))
    for (const override of fitting) used.add(override)
    const special = draft.special.map((override) => withPaths(override, out, dirname(draft.file)))
    return resolvedOf(draft.file, [...own, ...fitting, ...special, `name=${jobName(draft.id)}`], parse)
  })
}

function resolvedOf(file: string, set: readonly string[], parse: Parse): Resolved {
  const written = parse(file, set)
  return { set, written, job: resolvePaths(written, dirname(file)) }
}

/** Ids of arms have a dot, which names of jobs have not. */
function jobName(id: string): string {
  return id.replaceAll('.', '-')
}

/** Says which job it was. */
function ofJob<Result>(id: string, act: () => Result): Result {
  try {
    return act()
  } catch (error) {
    const { code, message, expected, received, hint } = LetheError.from(error)
    throw new LetheError(code, { message: `job ${id}: ${message}`, expected, received, hint, cause: error })
  }
}

function hasPlace(job: Job, { path }: Override): boolean {
  const holder = path.slice(0, -1).reduce<unknown>((value, key) => {
    return typeof value === 'object' && value !== null && Object.hasOwn(value, key) ? Reflect.get(value, key) : undefined
  }, job)
  return typeof holder === 'object' && holder !== null
}

type Unordered = Omit<ExperimentJob, 'dependsOn'>

/** Each attack by itself, and its arms; an arm that is the same job as another one, but for its name, is that one. */
function withArms(jobs: readonly ({ draft: Draft } & Resolved)[], parse: Parse): Unordered[] {
  const result: Unordered[] = jobs.map(({ draft: { id, file, row }, set, written, job }) => ({
    id,
    file,
    set,
    row,
    written: withoutControls(written),
    job: withoutControls(job),
    controls: null,
  }))
  const byContent = new Map(result.toReversed().map(({ job, id }) => [contentDigest(job), id]))
  for (const [i, { written, job: whole }] of jobs.entries()) {
    if (written.kind !== 'attack' || written.attack.controls === undefined) continue
    const { id, file, set } = result[i]
    ofJob(id, () => checkControls(id, whole as AttackJob))
    const armOf = (arm: ControlArm): string => {
      const armId = `${id}.${arm}`
      const changed = [...set, `model.checkpoint=${JSON.stringify(controlCheckpoint(written, arm))}`, `name=${jobName(armId)}`]
      const resolved = ofJob(armId, () => resolvedOf(file, changed, parse))
      const job = withoutControls(resolved.job)
      const same = byContent.get(contentDigest(job))
      if (same !== undefined) return same
      byContent.set(contentDigest(job), armId)
      result.push({ id: armId, file, set: changed, row: null, written: withoutControls(resolved.written), job, controls: null })
      return armId
    }
    const [original, retrained] = controlArms.map(armOf)
    result[i] = { ...result[i], controls: { original, retrained } }
  }
  return result
}

/** Edges are paths that are another job's checkpoint, however they came there. */
function ordered(jobs: readonly Unordered[], drafts: readonly Draft[], { out, locate }: ExpandOptions): ExperimentJob[] {
  const places = new Map(jobs.map(({ id }, i) => [checkpointPath(out, id), i]))
  const needs = jobs.map(({ job }) => {
    const found = new Set<number>()
    mapPaths(job, (path) => {
      const index = places.get(path)
      if (index !== undefined) found.add(index)
      return path
    })
    return [...found]
  })
  const placeOf = (index: number) => drafts[index]?.path ?? ['jobs']
  for (const [i, found] of needs.entries())
    for (const need of found)
      if (jobs[need].job.kind === 'evaluate')
        throw invalid(placeOf(i), locate, {
          expected: 'the checkpoint of a job that makes one',
          received: `@${jobs[need].id}, which only evaluates`,
        })
  const result = dependencyOrder(needs)
  if ('cycle' in result) {
    const chain = result.cycle.map((i) => jobs[i].id).join(' needs ')
    throw invalid(placeOf(result.cycle[0]), locate, { expected: 'jobs that do not need each other in a circle', received: chain })
  }
  return result.order.map((i) => ({ ...jobs[i], dependsOn: needs[i].map((need) => jobs[need].id) }))
}
