import { LetheError } from '../protocol/errors.ts'
import { type Metric, metrics } from '../protocol/evaluation.ts'
import type { Job, StepJob } from '../protocol/job.ts'
import { methodOf } from '../protocol/methods/index.ts'
import type { Model } from './model.ts'
import type { NetworkKind } from './nn/network.ts'
import { lossesOf } from './unlearning/index.ts'

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
  for (const metric of metrics) if (job.evaluate[metric] && kindOf(metric) !== model.kind) refuse(`evaluate.${metric}`, kindOf(metric))
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
