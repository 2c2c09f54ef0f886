import type { Schedule } from './schedule.ts'

/**
 * One deterministic step (Song et al. 2021, equation 12 with η = 0) from time t to `previous`, in place on x. For `previous` < 0,
 * ᾱ is `finalAlpha`: 1, or ᾱ_0 where a model was made with diffusers' set_alpha_to_one = false. Where x_0 is clipped to [−1,1], the noise is
 * what then is left of x (diffusers' use_clipped_model_output): without that, guided samples fall apart.
 */
export function ddimStep(
  schedule: Schedule,
  t: number,
  previous: number,
  x: Float32Array,
  epsilon: Float32Array,
  { clip = true, finalAlpha = 1 }: { clip?: boolean; finalAlpha?: number } = {},
): void {
  const a = schedule.alphasCumprod[t]
  const aPrevious = previous >= 0 ? schedule.alphasCumprod[previous] : finalAlpha
  const [signal, noise] = [Math.sqrt(a), Math.sqrt(1 - a)]
  const [signalPrevious, noisePrevious] = [Math.sqrt(aPrevious), Math.sqrt(1 - aPrevious)]
  for (let i = 0; i < x.length; i++) {
    const x0 = (x[i] - noise * epsilon[i]) / signal
    const clipped = clip ? Math.min(Math.max(x0, -1), 1) : x0
    const direction = clipped === x0 ? epsilon[i] : (x[i] - signal * clipped) / noise
    x[i] = signalPrevious * clipped + noisePrevious * direction
  }
}
