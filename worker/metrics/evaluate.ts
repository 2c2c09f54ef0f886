import type { EvaluationResult, EvaluationUnit } from '../../protocol/evaluation.ts'
import type { Job } from '../../protocol/job.ts'
import { permutation } from '../../protocol/order.ts'
import { normals, Words } from '../../protocol/random.ts'
import type { DataSet } from '../data/dataset.ts'
import { modelToPixels, pixelsToModel } from '../data/pixels.ts'
import { timestepsFrom } from '../diffusion/ddpm.ts'
import { addNoise } from '../diffusion/schedule.ts'
import { pixelDistance } from './distance.ts'
import { type Classes, denoiseFrom, type SamplingContext, sample } from './sample.ts'

export interface EvaluationContext extends SamplingContext {
  job: Job
  data: DataSet
  isConditional: boolean
}

/** Measures one unit. Everything is keyed by (seed, purpose, number of the sample): the same answer from any worker. */
export function evaluateUnit(context: EvaluationContext, unit: EvaluationUnit): Promise<EvaluationResult> {
  switch (unit.metric) {
    case 'reconstruction':
      return reconstruction(context, unit)
    case 'hits':
      return hits(context, unit)
    case 'keepLoss':
      return keepLoss(context, unit)
  }
}

function modelImage(data: DataSet, index: number): Float32Array {
  const out = new Float32Array(data.channels * data.height * data.width)
  return pixelsToModel(data.read(index), out, data.channels)
}

function pictures(x: Float32Array, { data, predictor }: EvaluationContext): Uint8Array {
  const pixels = new Uint8Array(x.length)
  for (let begin = 0; begin < x.length; begin += predictor.elements) {
    modelToPixels(x.subarray(begin, begin + predictor.elements), pixels.subarray(begin, begin + predictor.elements), data.channels)
  }
  return pixels
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
  return { values, images: pictures(x, context) }
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
  const { job, data, predictor } = context
  const options = job.evaluate.hits
  if (!options) return { values: [], images: new Uint8Array(0) }
  const classes = classesOf(context, forgottenItems(context, start, count))
  const x = await sample(context, options.sampler, { first: start, count, classes })
  const references = distinctForgotten(data)
  const values = Array.from({ length: count }, (_, row) => {
    const image = x.subarray(row * predictor.elements, (row + 1) * predictor.elements)
    return Math.min(...references.map((reference) => pixelDistance(image, reference)))
  })
  return { values, images: pictures(x, context) }
}

function distinctForgotten(data: DataSet): Float32Array[] {
  const byContent = new Map<string, Float32Array>()
  for (const index of data.forget) {
    const content = Buffer.from(data.read(index)).toString('latin1')
    if (!byContent.has(content)) byContent.set(content, modelImage(data, index))
  }
  return [...byContent.values()]
}

/** Mean squared ε-error per element of kept samples, each at one keyed time with one keyed noise. */
async function keepLoss(context: EvaluationContext, { start, count }: EvaluationUnit): Promise<EvaluationResult> {
  const { job, data, schedule, predictor } = context
  const { elements } = predictor
  const order = permutation(job.seed, 'keep_loss_order', 0, data.keep.length)
  const x = new Float32Array(count * elements)
  const noise = new Float32Array(count * elements)
  const times: number[] = []
  const indices: number[] = []
  for (let row = 0; row < count; row++) {
    const number = start + row
    const [begin, end] = [row * elements, (row + 1) * elements]
    const t = new Words({ seed: job.seed, purpose: 'keep_loss_timestep', step: 0, sample: number }).below(schedule.timesteps)
    normals({ seed: job.seed, purpose: 'keep_loss_noise', step: 0, sample: number }, noise.subarray(begin, end))
    const index = data.keep[order[number % order.length]]
    addNoise(schedule, t, modelImage(data, index), noise.subarray(begin, end), x.subarray(begin, end))
    times.push(t)
    indices.push(index)
  }
  const predicted = await predictor.predict(context.parameters, x, times, classesOf(context, indices))
  context.onProgress()
  const values = times.map((_, row) => {
    let sum = 0
    for (let i = row * elements; i < (row + 1) * elements; i++) sum += (noise[i] - predicted[i]) ** 2
    return sum / elements
  })
  return { values, images: new Uint8Array(0) }
}
