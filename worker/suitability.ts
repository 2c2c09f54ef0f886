import { LetheError } from '../protocol/errors.ts'
import { type Metric, metrics } from '../protocol/evaluation.ts'
import type { Job, StepJob } from '../protocol/job.ts'
import { methodOf } from '../protocol/methods/index.ts'
import type { Model } from './model.ts'
import type { NetworkKind } from './nn/network.ts'
import { lossesOf } from './unlearning/index.ts'

/* Whether a job and its model fit each other: found before anything is computed. */

const names: Record<NetworkKind, string> = { noise: 'a model that predicts noise (UNet2DModel)', classifier: 'an ImageClassifier' }

const kindOf = (metric: Metric): NetworkKind => (metric === 'accuracy' ? 'classifier' : 'noise')

/** A method, and a metric, is of one kind of network. @throws LetheError JOB_INVALID where the model is of another. */
export function checkNetwork(job: Job, model: Model): void {
  const refuse = (what: string, needed: NetworkKind, hint?: string) => {
    throw new LetheError('JOB_INVALID', {
      message: `${what} is not for this model`,
      expected: names[needed],
      received: names[model.kind],
      hint,
    })
  }
  if (job.kind !== 'evaluate') {
    const { network = 'noise' } = lossesOf(job.method.name)
    if (network !== model.kind)
      refuse(
        `method ${job.method.name}`,
        network,
        '`train` jobs have the method `denoise` for a UNet2DModel, `classify` for an ImageClassifier.',
      )
    checkConditioning(job.method, model)
  }
  if (job.kind === 'attack' && job.attack.shuffleLabels && !model.isConditional)
    throw new LetheError('JOB_INVALID', {
      message: '`attack.shuffleLabels` needs a class-conditional model',
      expected: 'num_class_embeds in config.json: the number of classes',
      received: 'none',
      hint: 'A model without classes never sees a label.',
    })
  for (const metric of metrics) if (job.evaluate[metric] && kindOf(metric) !== model.kind) refuse(`evaluate.${metric}`, kindOf(metric))
}

/**
 * For what a job needs the class that stands for none, the last one; null where it does not need it. What a network was trained for cannot
 * be told from its weights.
 */
export function needForNullClass(job: Job): string | null {
  if ((job.evaluate.samples?.guidance ?? 0) > 0) return 'evaluate.samples.guidance'
  if (job.kind === 'evaluate') return null
  if (job.training.labelDropout > 0) return 'training.labelDropout'
  return lossesOf(job.method.name).needs.includes('nullClass') ? `method ${job.method.name}` : null
}

/** A network with classes needs one for every label, and one more for "none" where the job uses that. @throws LetheError DATA_LABEL. */
export function checkLabels(job: Job, model: Model, labels: ArrayLike<number>): void {
  const need = needForNullClass(job)
  if (need !== null && !model.isConditional)
    throw new LetheError('DATA_LABEL', {
      message: `${need} needs a class-conditional model`,
      expected: 'num_class_embeds in config.json: the number of classes, and one for none',
      received: 'none',
    })
  if (model.classCount === 0) return
  const classes = model.classCount - (need === null ? 0 : 1)
  const largest = largestOf(labels)
  if (largest >= classes)
    throw new LetheError('DATA_LABEL', {
      message: `a label of the data has no class in the model${need === null ? '' : `, whose last class stands for none (${need})`}`,
      expected: `0 to ${classes - 1}`,
      received: `${largest}`,
    })
}

/**
 * Samples are of classes that the network, the data and the classifier know.
 * @throws LetheError JOB_INVALID, before anything is drawn. `judged`: how many classes the classifier tells apart; null without one.
 */
export function checkSamples({ evaluate: { samples } }: Job, model: Model, labels: ArrayLike<number>, judged: number | null): void {
  if (!samples) return
  const refuse = (expected: string, received: string, hint?: string) => {
    throw new LetheError('JOB_INVALID', { message: 'evaluate.samples.classes does not fit', expected, received, hint })
  }
  const { classes } = samples
  if (!model.isConditional) {
    if (classes) refuse('nothing, because the model has no classes', classes.join(', '), 'Leave it out: `count` samples are drawn in all.')
    return
  }
  if (!classes) return refuse(`classes of the model, from 0 to ${model.classCount - 1}`, 'nothing')
  const largest = largestOf(classes)
  if (largest >= model.classCount) refuse(`at most ${model.classCount - 1}, the last class of the model`, `${largest}`)
  // The last class may be a real one or the one for none: the data tell.
  if (largest === model.classCount - 1 && !Array.from(labels).includes(largest))
    refuse('classes that the data have', `${largest}, the last class of the model, which stands for none`)
  if (judged !== null && largest >= judged) refuse(`at most ${judged - 1}, the last class of the classifier`, `${largest}`)
}

/** −1 where there are none. */
function largestOf(values: ArrayLike<number>): number {
  let largest = -1
  for (let i = 0; i < values.length; i++) largest = Math.max(largest, values[i])
  return largest
}

/** Some methods are of classes, and some cannot be. @throws LetheError JOB_INVALID where the model does not fit. */
function checkConditioning(method: StepJob['method'], model: Model): void {
  const conditioning = methodOf(method.name).conditioning?.(method as never) ?? 'either'
  if (conditioning === 'either' || (conditioning === 'needed') === model.isConditional) return
  const isNeeded = conditioning === 'needed'
  throw new LetheError('JOB_INVALID', {
    message: `method ${method.name} ${isNeeded ? 'needs a class-conditional model' : 'is for models without classes'}`,
    expected: `num_class_embeds in config.json: ${isNeeded ? 'the number of classes' : 'none'}`,
    received: model.isConditional ? `${model.classCount}` : 'none',
    hint: 'docs/methods.md says which models each method is for.',
  })
}
