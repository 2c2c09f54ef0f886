import { LetheError } from '../../protocol/errors.ts'
import type { EvaluationResult, EvaluationUnit } from '../../protocol/evaluation.ts'
import { normals } from '../../protocol/random.ts'
import { timestepsFrom } from '../diffusion/ddpm.ts'
import { addNoise } from '../diffusion/schedule.ts'
import type { EvaluationContext } from './context.ts'
import { keepLoss, membership } from './denoising.ts'
import { pixelDistance } from './distance.ts'
import { extracted } from './extracted.ts'
import { modelImage, nearestForgotten, pictures } from './images.ts'
import { references, samples } from './judged.ts'
import { type Classes, denoiseFrom, sample } from './sample.ts'

/** Measures one unit. Everything is keyed by (seed, purpose, number of the sample): the same answer from any worker. */
export function evaluateUnit(context: EvaluationContext, unit: EvaluationUnit): Promise<EvaluationResult> {
  switch (unit.metric) {
    case 'reconstruction':
      return reconstruction(context, unit)
    case 'hits':
      return hits(context, unit)
    case 'keepLoss':
      return keepLoss(context, unit)
    case 'membership':
      return membership(context, unit)
    case 'samples':
      return samples(context, unit)
    case 'references':
      return references(context, unit)
    case 'likelihood':
    case 'distance':
    case 'accuracy':
      throw new LetheError('INTERNAL', { message: `${unit.metric} is not of samples of the network` })
  }
}

/** A forgotten image noised to t and denoised again; value = distance to that image. With several forgotten images, noise k takes number k modulo their count. */
async function reconstruction(context: EvaluationContext, { start, count }: EvaluationUnit): Promise<EvaluationResult> {
  const { job, data, schedule, predictor } = context
  const options = job.evaluate.reconstruction
  if (!options) return { values: [], images: new Uint8Array(0) }
  const { elements } = predictor
  const x = new Float32Array(count * elements)
  const epsilon = new Float32Array(elements)
  const indices = forgottenItems(context, start, count)
  const references = indices.map((index) => modelImage(data, index))
  for (const [row, reference] of references.entries()) {
    normals({ seed: job.seed, purpose: 'reconstruction_noise', step: schedule.timesteps, sample: start + row }, epsilon)
    addNoise(schedule, options.timestep, reference, epsilon, x.subarray(row * elements, (row + 1) * elements))
  }
  await denoiseFrom(context, x, timestepsFrom(options.timestep, options.steps), {
    sampler: 'ddpm',
    purpose: 'reconstruction_noise',
    first: start,
    classes: classesOf(context, indices),
  })
  const values = references.map((reference, row) => pixelDistance(x.subarray(row * elements, (row + 1) * elements), reference))
  const images = pictures(x, context)
  return { values, images, readings: await extracted(context, 'reconstruction', images, { originals: indices }) }
}

/** The forgotten item of each sample, in turn. */
function forgottenItems({ data }: EvaluationContext, start: number, count: number): number[] {
  return Array.from({ length: count }, (_, row) => data.forget[(start + row) % data.forget.length])
}

function classesOf({ data, isConditional }: EvaluationContext, indices: readonly number[]): Classes {
  return isConditional ? indices.map((index) => data.labels[index]) : undefined
}

/** Samples from pure noise, under the classes of the forgotten items where the model has classes; value = distance to the nearest forgotten image. */
async function hits(context: EvaluationContext, { start, count }: EvaluationUnit): Promise<EvaluationResult> {
  const options = context.job.evaluate.hits
  if (!options) return { values: [], images: new Uint8Array(0) }
  const classes = classesOf(context, forgottenItems(context, start, count))
  const x = await sample(context, options.sampler, { first: start, count, classes })
  return { values: nearestForgotten(context, x), images: pictures(x, context) }
}
