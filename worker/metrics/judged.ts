import { areOneDraw, classOfSample, type EvaluationResult, type EvaluationUnit, noClass } from '../../protocol/evaluation.ts'
import { permutation } from '../../protocol/order.ts'
import type { EvaluationContext } from './context.ts'
import { extracted } from './extracted.ts'
import { modelImage, nearestForgotten, pictures } from './images.ts'
import { sample } from './sample.ts'

/** Samples under the classes that the job names, as classifier and extractors see them; value = the class that the classifier sees. */
export async function samples(context: EvaluationContext, { start, count }: EvaluationUnit): Promise<EvaluationResult> {
  const { evaluate } = context.job
  if (!evaluate.samples) return { values: [], images: new Uint8Array(0) }
  const classes = evaluate.samples.classes && Array.from({ length: count }, (_, row) => classOfSample(evaluate, start + row) as number)
  const x = await sample(context, evaluate.samples.sampler, { first: start, count, classes })
  const images = pictures(x, context)
  const { values, readings } = await judged(context, x, count)
  const distances = areOneDraw(evaluate) ? [Float32Array.from(nearestForgotten(context, x))] : []
  return { values, images, readings: [...distances, ...readings, ...(await extracted(context, 'samples', images, { classes }))] }
}

/** Kept images of the data in a keyed order, seen in the same way. */
export async function references(context: EvaluationContext, unit: EvaluationUnit): Promise<EvaluationResult> {
  const { job, data, predictor } = context
  const { elements } = predictor
  const order = permutation(job.seed, 'reference_order', 0, data.keep.length)
  const x = new Float32Array(unit.count * elements)
  for (let row = 0; row < unit.count; row++) x.set(modelImage(data, data.keep[order[(unit.start + row) % order.length]]), row * elements)
  const { values, readings } = await judged(context, x, unit.count)
  return { values, images: new Uint8Array(0), readings: [...readings, ...(await extracted(context, 'references', pictures(x, context)))] }
}

/** Without a classifier no image has a class. */
async function judged(
  { judge }: EvaluationContext,
  x: Float32Array,
  count: number,
): Promise<{ values: number[]; readings: Float32Array[] }> {
  if (!judge) return { values: new Array<number>(count).fill(noClass), readings: [] }
  const { classes, probabilities, features } = await judge.look(x)
  return { values: classes, readings: [probabilities, features] }
}
