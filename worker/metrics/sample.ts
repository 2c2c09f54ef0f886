import { type Key, normals } from '../../protocol/random.ts'
import { ddimStep } from '../diffusion/ddim.ts'
import { ddpmStep, leadingTimesteps } from '../diffusion/ddpm.ts'
import type { Schedule } from '../diffusion/schedule.ts'
import type { Predictor } from './predictor.ts'

export interface SamplingContext {
  predictor: Predictor
  parameters: Float32Array
  schedule: Schedule
  seed: number
  /** Called after each evaluation of the network, so that long work shows as alive. */
  onProgress(): void
}

/** The condition of each row; undefined for an unconditional model. */
export type Classes = readonly number[] | undefined

/** Runs x down the given times by ancestral sampling or DDIM, in place. Row r's fresh noise is keyed by (purpose, t, first + r). */
export async function denoiseFrom(
  context: SamplingContext,
  x: Float32Array,
  times: readonly number[],
  { sampler, purpose, first, classes }: { sampler: 'ddpm' | 'ddim'; purpose: Key['purpose']; first: number; classes: Classes },
): Promise<void> {
  const { predictor, parameters, schedule, seed } = context
  const rows = x.length / predictor.elements
  const fresh = new Float32Array(predictor.elements)
  for (const [k, t] of times.entries()) {
    const previous = times[k + 1] ?? -1
    const epsilon = await predictor.predict(parameters, x, new Array<number>(rows).fill(t), classes)
    for (let row = 0; row < rows; row++) {
      const [begin, end] = [row * predictor.elements, (row + 1) * predictor.elements]
      const image = x.subarray(begin, end)
      if (sampler === 'ddim') ddimStep(schedule, t, previous, image, epsilon.subarray(begin, end))
      else
        ddpmStep(
          schedule,
          t,
          previous,
          image,
          epsilon.subarray(begin, end),
          previous < 0 ? null : normals({ seed, purpose, step: t, sample: first + row }, fresh),
        )
    }
    context.onProgress()
  }
}

/** `count` samples from pure noise, numbered from `first`: [count, C, H, W]. */
export async function sample(
  context: SamplingContext,
  options: { name: 'ddpm' | 'ddim'; steps: number },
  { first, count, classes }: { first: number; count: number; classes: Classes },
): Promise<Float32Array> {
  const { predictor, schedule, seed } = context
  const x = new Float32Array(count * predictor.elements)
  for (let row = 0; row < count; row++) {
    // Times are below 1000, so this step number is free for the starting noise.
    normals(
      { seed, purpose: 'sample_noise', step: schedule.timesteps, sample: first + row },
      x.subarray(row * predictor.elements, (row + 1) * predictor.elements),
    )
  }
  await denoiseFrom(context, x, leadingTimesteps(schedule, options.steps), {
    sampler: options.name,
    purpose: 'sample_noise',
    first,
    classes,
  })
  return x
}
