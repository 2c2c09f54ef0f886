import { classOfSample, type EvaluationResult, type EvaluationUnit } from '../../protocol/evaluation.ts'
import { permutation } from '../../protocol/order.ts'
import type { EvaluationContext } from './evaluate.ts'
import { modelImage, pictures } from './images.ts'
import type { Judge } from './judge.ts'
import { sample } from './sample.ts'

/** Samples under the classes that the job names, as the classifier sees them; value = its class. */
export async function samples(context: EvaluationContext, judge: Judge, { start, count }: EvaluationUnit): Promise<EvaluationResult> {
  const { evaluate } = context.job
  if (!evaluate.samples) return { values: [], images: new Uint8Array(0) }
  const classes = evaluate.samples.classes && Array.from({ length: count }, (_, row) => classOfSample(evaluate, start + row) as number)
  const x = await sample(context, evaluate.samples.sampler, { first: start, count, classes })
  const { classes: values, ...judged } = await judge.look(x)
  return { values, images: pictures(x, context), judged }
}

/** Kept images of the data in a keyed order, as the classifier sees them; value = its class. */
export async function references(
  { job, data, predictor }: EvaluationContext,
  judge: Judge,
  unit: EvaluationUnit,
): Promise<EvaluationResult> {
  const { elements } = predictor
  const order = permutation(job.seed, 'reference_order', 0, data.keep.length)
  const x = new Float32Array(unit.count * elements)
  for (let row = 0; row < unit.count; row++) x.set(modelImage(data, data.keep[order[(unit.start + row) % order.length]]), row * elements)
  const { classes: values, ...judged } = await judge.look(x)
  return { values, images: new Uint8Array(0), judged }
}
