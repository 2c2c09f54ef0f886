import type { Schedule } from './schedule.ts'

/** `steps` descending times of ancestral sampling, spaced evenly from 0 ("leading", diffusers). */
export function leadingTimesteps(schedule: Schedule, steps: number, offset = 0): number[] {
  const stride = Math.floor(schedule.timesteps / steps)
  return Array.from({ length: steps }, (_, k) => (steps - 1 - k) * stride + offset)
}

/** `steps` descending times from `start` on, for denoising an image that was noised to `start`. */
export function timestepsFrom(start: number, steps: number): number[] {
  const count = Math.min(steps, start + 1)
  return Array.from({ length: count }, (_, k) => Math.floor((start * (count - k)) / count))
}

/**
 * One ancestral step from time t to `previous` (−1: the clean image), in place on x. Posterior of Ho et al. 2020, equations 6 and 7,
 * with x_0 predicted from ε and clipped to [−1, 1], variance "fixed small". `fresh` is N(0,1) noise, not used at t = 0.
 */
export function ddpmStep(
  schedule: Schedule,
  t: number,
  previous: number,
  x: Float32Array,
  epsilon: Float32Array,
  fresh: Float32Array | null,
): void {
  const a = schedule.alphasCumprod[t]
  const aPrevious = previous >= 0 ? schedule.alphasCumprod[previous] : 1
  const alpha = a / aPrevious
  const beta = 1 - alpha
  const toX0 = (Math.sqrt(aPrevious) * beta) / (1 - a)
  const toX = (Math.sqrt(alpha) * (1 - aPrevious)) / (1 - a)
  const deviation = fresh ? Math.sqrt(Math.max(((1 - aPrevious) / (1 - a)) * beta, 1e-20)) : 0
  const [signal, noise] = [Math.sqrt(a), Math.sqrt(1 - a)]
  for (let i = 0; i < x.length; i++) {
    const x0 = Math.min(Math.max((x[i] - noise * epsilon[i]) / signal, -1), 1)
    x[i] = toX0 * x0 + toX * x[i] + (fresh ? deviation * fresh[i] : 0)
  }
}
