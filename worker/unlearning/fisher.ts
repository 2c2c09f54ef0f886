import type { ChannelGradient } from '../step.ts'

/** sum + g²/batchSize for each channel of one sample; a new sum where there is none yet. */
export function squared(sample: readonly ChannelGradient[], sum: ChannelGradient[] | null, batchSize: number): ChannelGradient[] {
  const total = sum ?? sample.map(({ channel, gradient }) => ({ channel, loss: 0, gradient: new Float32Array(gradient.length) }))
  for (const [c, { loss, gradient }] of sample.entries()) {
    total[c].loss += loss / batchSize
    const target = total[c].gradient
    for (let i = 0; i < gradient.length; i++) target[i] += (gradient[i] * gradient[i]) / batchSize
  }
  return total
}

export interface FisherPenalty {
  parameters: Float32Array
  original: Float32Array
  /** Sum over `rounds` of the mean of g² over a batch. */
  fisher: Float32Array
  rounds: number
  lambda: number
}

/**
 * Adds the gradient 2λ·F_i·(θ_i − θ*_i) of the penalty λ·Σ F_i·(θ_i − θ*_i)² of elastic weight consolidation (Kirkpatrick et al. 2017, in
 * Selective Amnesia, Heng & Soh 2023) to `gradient`. Returns the penalty.
 */
export function addFisherPenalty(gradient: Float32Array, { parameters, original, fisher, rounds, lambda }: FisherPenalty): number {
  let penalty = 0
  for (let i = 0; i < gradient.length; i++) {
    const distance = parameters[i] - original[i]
    const weight = (lambda * fisher[i]) / rounds
    gradient[i] += 2 * weight * distance
    penalty += weight * distance * distance
  }
  return penalty
}
