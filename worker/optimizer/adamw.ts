/** AdamW (Loshchilov & Hutter 2019, algorithm 2, as PyTorch computes it). Moments are float32, arithmetic between them float64. */
export interface AdamWOptions {
  betas: readonly [number, number]
  eps: number
  weightDecay: number
}

export class AdamW {
  readonly m: Float32Array
  readonly v: Float32Array
  readonly #options: AdamWOptions

  constructor(size: number, options: AdamWOptions) {
    this.m = new Float32Array(size)
    this.v = new Float32Array(size)
    this.#options = options
  }

  /** Update number `step` (from 0), in place on the parameters. Where a mask is 0, neither parameter nor moments change. */
  update(parameters: Float32Array, direction: Float32Array, step: number, learningRate: number, mask: Uint8Array | null = null): void {
    const { betas, eps, weightDecay } = this.#options
    const [beta1, beta2] = betas
    const { m, v } = this
    const stepSize = learningRate / (1 - power(beta1, step + 1))
    const denominatorScale = Math.sqrt(1 - power(beta2, step + 1))
    const decay = 1 - learningRate * weightDecay
    for (let i = 0; i < parameters.length; i++) {
      if (mask !== null && mask[i] === 0) continue
      const g = direction[i]
      m[i] = m[i] * beta1 + g * (1 - beta1)
      v[i] = v[i] * beta2 + g * g * (1 - beta2)
      parameters[i] = parameters[i] * decay - stepSize * (m[i] / (Math.sqrt(v[i]) / denominatorScale + eps))
    }
  }
}

/** base^exponent by squaring: products alone, so the same bits in every JavaScript engine, which Math.pow does not promise. */
export function power(base: number, exponent: number): number {
  let result = 1
  for (let factor = base, rest = exponent; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) result *= factor
    factor *= factor
  }
  return result
}
