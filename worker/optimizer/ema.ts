/** Exponential moving average of parameters with warm-up, as diffusers' EMAModel with use_ema_warmup. */
export interface EmaOptions {
  maxDecay: number
  inverseGamma: number
  power: number
}

/** Decay of the update that follows optimizer step number `step` (from 1): 1 − (1 + (step−1)/γ⁻¹)^−power, at most maxDecay. */
export function emaDecay(step: number, { maxDecay, inverseGamma, power }: EmaOptions): number {
  const past = Math.max(step - 1, 0)
  if (past === 0) return 0
  return Math.min(1 - (1 + past / inverseGamma) ** -power, maxDecay)
}

/** average ← average − (1 − decay)·(average − parameters), in place. */
export function emaUpdate(average: Float32Array, parameters: Float32Array, decay: number): void {
  const rate = 1 - decay
  for (let i = 0; i < average.length; i++) average[i] -= rate * (average[i] - parameters[i])
}
