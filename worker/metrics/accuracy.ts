import { LetheError } from '../../protocol/errors.ts'
import { type EvaluationResult, type EvaluationUnit, evaluationUnits } from '../../protocol/evaluation.ts'
import type { Job } from '../../protocol/job.ts'
import { permutation } from '../../protocol/order.ts'
import { type DataSet, openDataSet } from '../data/dataset.ts'
import { pixelsToModel } from '../data/pixels.ts'
import type { Classifier } from './classifier.ts'

export interface AccuracyContext {
  classifier: Classifier
  parameters: Float32Array
  data: DataSet
  seed: number
  /** Called after each evaluation of the network, so that long work shows as alive. */
  onProgress(): void
}

/** The data that accuracy is measured on, null where the job asks for none. Throws DATA_*; DATA_FORMAT where they are too few. */
export async function openAccuracyData(job: Job): Promise<DataSet | null> {
  const { accuracy } = job.evaluate
  if (!accuracy) return null
  const data = await openDataSet({ sources: accuracy.sources })
  const wanted = evaluationUnits(job).reduce((sum, { metric, count }) => sum + (metric === 'accuracy' ? count : 0), 0)
  if (wanted > data.items)
    throw new LetheError('DATA_FORMAT', {
      message: 'the sources of evaluate.accuracy hold fewer images than are to be classified',
      expected: `at least ${wanted}`,
      received: `${data.items}`,
      hint: 'Give fewer `evaluate.accuracy.samples`, or a `limit` that the file has.',
    })
  return data
}

/** Value = 1 where the logit of an image's label is above all others, else 0. Image k is entry k of one keyed order of the data. */
export async function accuracy(context: AccuracyContext, { start, count }: EvaluationUnit): Promise<EvaluationResult> {
  const { classifier, parameters, data, seed, onProgress } = context
  const { elements, classCount } = classifier
  const items = permutation(seed, 'accuracy_order', 0, data.items).subarray(start, start + count)
  const x = new Float32Array(count * elements)
  items.forEach((item, row) => {
    pixelsToModel(data.read(item), x.subarray(row * elements, (row + 1) * elements), data.channels)
  })
  const { logits } = await classifier.classify(parameters, x)
  onProgress()
  const values = Array.from(items, (item, row) => {
    const own = logits.subarray(row * classCount, (row + 1) * classCount)
    const label = data.labels[item]
    // Not true for NaN: a classifier that has diverged is right about nothing.
    return own.every((logit, k) => k === label || logit < own[label]) ? 1 : 0
  })
  return { values, images: new Uint8Array(0) }
}
