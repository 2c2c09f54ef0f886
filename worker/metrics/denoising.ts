import { type EvaluationResult, type EvaluationUnit, membershipOf } from '../../protocol/evaluation.ts'
import { permutation } from '../../protocol/order.ts'
import { normals, type Purpose, Words } from '../../protocol/random.ts'
import { addNoise } from '../diffusion/schedule.ts'
import type { EvaluationContext } from './context.ts'
import { modelImage } from './images.ts'

interface Probe {
  item: number
  timestep: number
  /** Number of the noise among those of its purpose. */
  noise: number
}

/** Mean squared ε-error per element of kept samples, each at one keyed time with one keyed noise. */
export async function keepLoss(context: EvaluationContext, { start, count }: EvaluationUnit): Promise<EvaluationResult> {
  const { job, data, schedule } = context
  const order = permutation(job.seed, 'keep_loss_order', 0, data.keep.length)
  const probes = Array.from({ length: count }, (_, row): Probe => {
    const number = start + row
    const timestep = new Words({ seed: job.seed, purpose: 'keep_loss_timestep', step: 0, sample: number }).below(schedule.timesteps)
    return { item: data.keep[order[number % order.length]], timestep, noise: number }
  })
  return { values: await losses(context, probes, 'keep_loss_noise'), images: new Uint8Array(0) }
}

/**
 * The same of forgotten and of kept images at fixed times: image k of either set has one noise for all times, the same in both sets, so
 * that the gap between them is not that of their noises (SISS paper, "membership loss"; theirs is a sum over pixels).
 */
export async function membership(context: EvaluationContext, { start, count }: EvaluationUnit): Promise<EvaluationResult> {
  const { job, data } = context
  const order = {
    keep: permutation(job.seed, 'membership_order', 0, data.keep.length),
    forget: permutation(job.seed, 'membership_order', 1, data.forget.length),
  }
  const probes = Array.from({ length: count }, (_, row): Probe => {
    const { set, timestep, sample } = membershipOf(job.evaluate, start + row)
    return { item: data[set][order[set][sample % order[set].length]], timestep, noise: sample }
  })
  return { values: await losses(context, probes, 'membership_noise'), images: new Uint8Array(0) }
}

async function losses(context: EvaluationContext, probes: readonly Probe[], purpose: Purpose): Promise<number[]> {
  const { job, data, schedule, predictor, isConditional } = context
  const { elements } = predictor
  const x = new Float32Array(probes.length * elements)
  const noise = new Float32Array(probes.length * elements)
  for (const [row, { item, timestep, noise: sample }] of probes.entries()) {
    const [begin, end] = [row * elements, (row + 1) * elements]
    normals({ seed: job.seed, purpose, step: 0, sample }, noise.subarray(begin, end))
    addNoise(schedule, timestep, modelImage(data, item), noise.subarray(begin, end), x.subarray(begin, end))
  }
  const times = probes.map(({ timestep }) => timestep)
  const classes = isConditional ? probes.map(({ item }) => data.labels[item]) : undefined
  const predicted = await predictor.predict(context.parameters, x, times, classes)
  context.onProgress()
  return probes.map((_, row) => {
    let sum = 0
    for (let i = row * elements; i < (row + 1) * elements; i++) sum += (noise[i] - predicted[i]) ** 2
    return sum / elements
  })
}
