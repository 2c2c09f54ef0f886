import type { Job } from '../../protocol/job.ts'

/** The forward process x_t = signal_t · x + noise_t · ε, variance preserving (Ho et al. 2020, equation 4). */
export interface Schedule {
  readonly timesteps: number
  /** ᾱ_t, float32 values, [timesteps] */
  readonly alphasCumprod: Float32Array
  /** √ᾱ_t */
  readonly signal: Float32Array
  /** √(1 − ᾱ_t) */
  readonly noise: Float32Array
}

/** β_t of diffusers' named schedules, float64, [timesteps]. */
function betas({ timesteps, betaSchedule, betaStart, betaEnd }: Job['diffusion']): Float64Array {
  const ramp = (from: number, to: number) => Float64Array.from({ length: timesteps }, (_, t) => from + ((to - from) * t) / (timesteps - 1))
  switch (betaSchedule) {
    case 'linear':
      return ramp(betaStart, betaEnd)
    case 'scaled_linear':
      return ramp(Math.sqrt(betaStart), Math.sqrt(betaEnd)).map((root) => root * root)
    case 'squaredcos_cap_v2': {
      // Nichol & Dhariwal 2021, equation 17, with β capped.
      const alphaBar = (time: number) => Math.cos(((time + 0.008) / 1.008) * (Math.PI / 2)) ** 2
      return Float64Array.from({ length: timesteps }, (_, t) =>
        Math.min(1 - alphaBar((t + 1) / timesteps) / alphaBar(t / timesteps), 0.999),
      )
    }
  }
}

export function makeSchedule(options: Job['diffusion']): Schedule {
  let product = 1
  const alphasCumprod = Float32Array.from(betas(options), (beta) => {
    product *= 1 - beta
    return product
  })
  return {
    timesteps: options.timesteps,
    alphasCumprod,
    signal: alphasCumprod.map((a) => Math.sqrt(a)),
    noise: alphasCumprod.map((a) => Math.sqrt(1 - a)),
  }
}

/** x_t from x at time t, into `out`. */
export function addNoise(schedule: Schedule, t: number, x: Float32Array, epsilon: Float32Array, out: Float32Array): Float32Array {
  const [signal, noise] = [schedule.signal[t], schedule.noise[t]]
  for (let i = 0; i < x.length; i++) out[i] = Math.fround(signal * x[i]) + Math.fround(noise * epsilon[i])
  return out
}
