import { permutation } from '../../protocol/order.ts'
import { checkMatrix, type Matrix } from './matrix.ts'

export interface InceptionScore {
  /** Mean and standard deviation over chunks; the deviation is divided by their number, as in the original code. */
  mean: number
  standardDeviation: number
  chunks: number
  samples: number
}

/** Resamples have lower step numbers, so this one is free for the order of the samples. */
const orderStep = 2 ** 32 - 1

/**
 * exp(mean of KL(p_i ‖ mean of the chunk)) over the samples i of a chunk (Salimans et al. 2016), from the class probabilities of each
 * sample; between 1 and the number of classes. Samples are shuffled by the seed first, as the SISS evaluation does. Where they
 * do not divide evenly, sizes of chunks differ by one and none is left out, which the papers leave open.
 *
 * Null where there are fewer samples than chunks; NaN where a probability is not finite.
 */
export function inceptionScore(probabilities: Matrix, { seed, chunks }: { seed: number; chunks: number }): InceptionScore | null {
  checkMatrix(probabilities)
  const { rows } = probabilities
  if (rows < chunks) return null
  const order = permutation(seed, 'bootstrap', orderStep, rows)
  const edge = (chunk: number) => Math.floor((chunk * rows) / chunks)
  const scores = Array.from({ length: chunks }, (_, chunk) => scoreOf(probabilities, order.subarray(edge(chunk), edge(chunk + 1))))
  const mean = scores.reduce((sum, score) => sum + score, 0) / chunks
  const variance = scores.reduce((sum, score) => sum + (score - mean) ** 2, 0) / chunks
  return { mean, standardDeviation: Math.sqrt(variance), chunks, samples: rows }
}

/** Standard error of the mean over chunks, from a deviation that was divided by their number. */
export function errorOfChunks(standardDeviation: number, chunks: number): number {
  return standardDeviation / Math.sqrt(chunks - 1)
}

function scoreOf({ width, values }: Matrix, samples: Uint32Array): number {
  const marginal = new Float64Array(width)
  for (const sample of samples) for (let k = 0; k < width; k++) marginal[k] += values[sample * width + k] / samples.length
  let divergence = 0
  for (const sample of samples)
    for (let k = 0; k < width; k++) {
      const p = values[sample * width + k]
      // p·ln p → 0
      if (p !== 0) divergence += p * (Math.log(p) - Math.log(marginal[k]))
    }
  return Math.exp(divergence / samples.length)
}
