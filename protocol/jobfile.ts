import { resolve } from 'node:path'
import { Document, isScalar, stringify, visit } from 'yaml'
import { checkAlternative } from './alternative.ts'
import { LetheError } from './errors.ts'
import { extractorName, type Score } from './extractors.ts'
import { issueError, named } from './issues.ts'
import { type Job, jobSchema } from './job.ts'
import { applyOverride, type Override, parseOverride } from './overrides.ts'
import { mapPaths } from './paths.ts'
import { roundsOf } from './rounds.ts'
import { deepest, readYaml, type YamlText } from './yaml.ts'

export interface ParseOptions {
  /** Name of the file in messages. */
  file?: string
  /** `key.path=value`, applied in order before the check. */
  overrides?: readonly string[]
}

/**
 * The resolved job of a YAML text: overrides applied, defaults filled in, checked, frozen. Paths are left as written.
 * Throws JOB_NOT_YAML, JOB_UNKNOWN_KEY, JOB_INVALID or JOB_BATCH_NOT_MULTIPLE, naming the line; USAGE for a malformed override.
 */
export function parseJob(text: string, { file, overrides }: ParseOptions = {}): Job {
  return jobOf(readYaml(text, 'job', file), overrides)
}

/** The same of a text that is read already: many jobs may be one file with other overrides. */
export function jobOf({ document, plain, place }: YamlText, texts: readonly string[] = []): Job {
  const overrides = texts.map(parseOverride)
  const locate = (path: readonly PropertyKey[]) => placeOf(document, overrides, path, place)
  const value = overrides.reduce(applyOverride, plain)
  const parsed = jobSchema.safeParse(value)
  if (!parsed.success) throw issueError(parsed.error.issues, { schema: jobSchema, value, locate })
  checkTogether(parsed.data, locate)
  return deepFreeze(parsed.data)
}

/** The same job with every path absolute; relative ones start at `directory`, the folder of the job file. */
export function resolvePaths(job: Job, directory: string): Job {
  const absolute = (path: string) => resolve(directory, path)
  return deepFreeze(mapPaths(job, absolute))
}

/** The order in which a person reads a job. */
const reading = ['kind', 'name', 'seed', 'model', 'data', 'method', 'attack', 'training', 'evaluate', 'diffusion', 'engine']

/** The resolved job as YAML that `parseJob` reads back to the same job. */
export function jobYaml(job: Job): string {
  const keys = [...new Set([...reading, ...Object.keys(job)])].filter((key) => Object.hasOwn(job, key))
  const document = new Document(Object.fromEntries(keys.map((key) => [key, Reflect.get(job, key)])), { aliasDuplicateObjects: false })
  visit(document, {
    Seq: (_, node) => {
      if (node.items.every(isScalar)) node.flow = true
    },
  })
  return stringify(document, { lineWidth: 0, flowCollectionPadding: false })
}

/** The override that set the value, or the line of its key, or that of the nearest thing around it that is in the file. */
function placeOf(
  document: Document.Parsed,
  overrides: readonly Override[],
  path: readonly PropertyKey[],
  place: (offset: number) => string,
): string | undefined {
  const keys = path.map(String)
  const startsWith = (long: readonly string[], short: readonly string[]) => short.every((key, depth) => key === long[depth])
  const setBy = overrides.find((override) => startsWith(keys, override.path))
  if (setBy) return `--set ${setBy.path.join('.')}`
  const { depth, offset } = deepest(document.contents, keys)
  const madeBy = depth < keys.length ? overrides.find((override) => startsWith(override.path, keys)) : undefined
  if (madeBy) return `--set ${madeBy.path.join('.')}`
  return offset === undefined ? undefined : place(offset)
}

/** What one field cannot know alone. */
function checkTogether(job: Job, locate: (path: readonly PropertyKey[]) => string | undefined): void {
  const { diffusion, evaluate, data } = job
  const refuse = (path: string[], expected: string, received: string, hint?: string): never => {
    throw new LetheError('JOB_INVALID', { message: `${named(path, locate)} is not allowed`, expected, received, hint })
  }
  const atMostTimesteps = (path: string[], value: number, limit: number) => {
    if (value > limit) refuse(path, `at most ${limit}, because diffusion.timesteps is ${diffusion.timesteps}`, String(value))
  }

  if (diffusion.betaStart > diffusion.betaEnd || diffusion.betaEnd >= 1) {
    refuse(['diffusion', 'betaEnd'], 'a number from betaStart to less than 1', String(diffusion.betaEnd))
  }
  if (job.kind !== 'evaluate') {
    const { batchSize, microBatchSize } = job.training
    if (batchSize % microBatchSize !== 0) {
      throw new LetheError('JOB_BATCH_NOT_MULTIPLE', {
        message: `${named(['training', 'batchSize'], locate)} is not a multiple of \`training.microBatchSize\``,
        expected: `a multiple of ${microBatchSize}`,
        received: String(batchSize),
      })
    }
    const { prepare, inner } = roundsOf(job)
    // What rounding loses is added to the next of its kind, which here would be a sum of something else.
    if (job.training.wire === 'bf16' && prepare + inner > 0)
      refuse(['training', 'wire'], `f32, because ${job.method.name} sends more than the gradients of its updates`, 'bf16')
    checkAlternative(job)
    if ('timesteps' in job.method) atMostTimesteps(['method', 'timesteps'], job.method.timesteps[1], diffusion.timesteps - 1)
  }
  checkMeasures(job, refuse)
  const { reconstruction, hits } = evaluate
  if (reconstruction) {
    atMostTimesteps(['evaluate', 'reconstruction', 'timestep'], reconstruction.timestep, diffusion.timesteps - 1)
    atMostTimesteps(['evaluate', 'reconstruction', 'steps'], reconstruction.steps, diffusion.timesteps)
  }
  if (hits) atMostTimesteps(['evaluate', 'hits', 'sampler', 'steps'], hits.sampler.steps, diffusion.timesteps)
  const metric = reconstruction ? 'reconstruction' : hits ? 'hits' : undefined
  if (metric && !data.forget) {
    refuse(
      ['data', 'forget'],
      `a forget set, because evaluate.${metric} measures the distance to the forgotten image`,
      'nothing',
      `Give \`data.forget\`, or leave out \`evaluate.${metric}\`.`,
    )
  }
}

type Refuse = (path: string[], expected: string, received: string, hint?: string) => void

/** Of a list in a message. */
const classesShown = 10

/** What is measured needs something to measure it with, or on. */
function checkMeasures({ evaluate, data, diffusion, ...job }: Job, refuse: Refuse): void {
  const { samples, references, classifier, extractors = [], likelihood, membership } = evaluate
  const hint = 'Train one with examples/train-mnist-classifier.yaml, or take one of examples/checkpoints.'
  const isSeen = (...by: Score[]) => classifier !== undefined || extractors.some(({ score }) => by.includes(score))
  if (samples && !isSeen('fid', 'clip'))
    refuse(['evaluate', 'classifier'], 'a classifier, because it judges evaluate.samples, or an extractor', 'nothing', hint)
  if (samples && references && !isSeen('fid'))
    refuse(['evaluate', 'classifier'], 'a classifier or an extractor with score fid, because they see evaluate.references', 'nothing', hint)
  checkExtractors(evaluate, refuse)
  if (references && !samples) refuse(['evaluate', 'samples'], 'samples, because evaluate.references is compared with them', 'nothing')
  if (samples && samples.sampler.steps > diffusion.timesteps)
    refuse(['evaluate', 'samples', 'sampler', 'steps'], `at most ${diffusion.timesteps}`, String(samples.sampler.steps))
  for (const [metric, asked] of Object.entries({ likelihood, membership }))
    if (asked && !data.forget) refuse(['data', 'forget'], `a forget set, because evaluate.${metric} is of forgotten images`, 'nothing')
  if (likelihood && diffusion.betaSchedule !== 'linear')
    refuse(['diffusion', 'betaSchedule'], 'linear, of which evaluate.likelihood knows the continuous form', diffusion.betaSchedule)
  const late = membership?.timesteps.find((t) => t >= diffusion.timesteps)
  if (late !== undefined) refuse(['evaluate', 'membership', 'timesteps'], `below ${diffusion.timesteps}`, String(late))
  if (job.kind !== 'attack') return
  const last = job.attack.measureAt.find((step) => step > job.training.steps)
  if (last !== undefined) refuse(['attack', 'measureAt'], `at most ${job.training.steps}, which is training.steps`, String(last))
  const { classes } = samples ?? {}
  const { labels: forgotten } = data.forget ?? {}
  if (classes && forgotten && !classes.some((label) => forgotten.includes(label)))
    refuse(
      ['evaluate', 'samples', 'classes'],
      `one of data.forget.labels (${forgotten.slice(0, classesShown).join(', ')}), because an attack is measured by what is forgotten`,
      classes.slice(0, classesShown).join(', '),
    )
  if (job.attack.stopAt === undefined) return
  if (!samples?.classes || !data.forget?.labels)
    refuse(['attack', 'stopAt'], 'evaluate.samples.classes and data.forget.labels, of which the share is taken', 'neither or one')
  if (classifier === undefined)
    refuse(['evaluate', 'classifier'], 'a classifier, because attack.stopAt is a share that it tells', 'nothing')
}

/** A score is of images that the job must ask for. */
function checkExtractors({ extractors = [], samples, references, reconstruction }: Job['evaluate'], refuse: Refuse): void {
  extractors.forEach((extractor, number) => {
    const { score, captions } = extractor
    const key = ['evaluate', 'extractors', String(number)]
    const needs = (path: string[], is: boolean, what: string) => {
      if (!is) refuse(path, `${what}, because evaluate.extractors.${number} has score ${score}`, 'nothing')
    }
    if (score === 'fid') {
      needs(['evaluate', 'samples'], samples !== undefined, 'samples')
      needs(['evaluate', 'references'], references !== undefined, 'kept images to compare samples with')
    } else if (score === 'sscd') {
      needs(['evaluate', 'reconstruction'], reconstruction !== undefined, 'reconstructions')
    } else {
      needs(['evaluate', 'samples', 'classes'], samples?.classes !== undefined, 'classes of samples')
      needs([...key, 'captions'], captions !== undefined, 'embeddings of captions')
    }
    if (score !== 'clip' && captions !== undefined) refuse([...key, 'captions'], 'nothing: only the score clip has captions', captions)
    const name = extractorName(extractor)
    const isTwice = extractors.slice(0, number).some((one) => one.score === score && extractorName(one) === name)
    if (isTwice) refuse([...key, 'name'], `a name that no other extractor with score ${score} has`, name)
  })
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const inner of Object.values(value)) deepFreeze(inner)
  }
  return value
}
