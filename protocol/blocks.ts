import type { Slice } from './messages.ts'
import type { Scalars } from './method.ts'
import { dot } from './vector.ts'

/*
 * How long vectors are cut. A block is the unit of inner products: its product is one float64, and products are added block after block.
 * So whoever owns whole blocks gets their products alone, and the bits of the sum do not depend on who did.
 */

export const blockElements = 2 ** 16

/** Elements handled without giving the event loop a turn, and the most that one transfer between workers carries: 4 MiB of float32. */
export const chunkElements = 16 * blockElements

/** [start, end) of every chunk of elements [start, end). */
export function chunksOf(start: number, end: number): { start: number; end: number }[] {
  const count = Math.ceil((end - start) / chunkElements)
  return Array.from({ length: count }, (_, i) => ({
    start: start + i * chunkElements,
    end: Math.min(start + (i + 1) * chunkElements, end),
  }))
}

/**
 * Contiguous slices that cover 0..parameterCount-1, in the order of the workers, as near to their weights (1 where none is given) as borders at
 * multiples of a block allow. Whoever would get nothing is left out.
 * @throws RangeError where no worker has a positive weight.
 */
export function sliceBorders(parameterCount: number, workers: readonly { worker: string; weight?: number }[]): Slice[] {
  const weights = workers.map(({ weight = 1 }) => weight)
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  if (!(total > 0) || !Number.isFinite(total) || weights.some((weight) => weight < 0))
    throw new RangeError(`no slices for weights ${weights.join(', ')}`)
  const blocks = Math.ceil(parameterCount / blockElements)
  // The last one that counts ends at the end, whatever the sums of weights round to.
  const last = weights.findLastIndex((weight) => weight > 0)
  let sum = 0
  let start = 0
  return workers.flatMap(({ worker }, i) => {
    sum += weights[i]
    const end = i >= last ? parameterCount : Math.min(parameterCount, Math.round((blocks * sum) / total) * blockElements)
    const slice = { worker, start, end }
    start = end
    return slice.end > slice.start ? [slice] : []
  })
}

/** Pairs (i, j), j ≥ i, in the order in which products of a block stand. */
export function channelPairs(channels: number): [i: number, j: number][] {
  return Array.from({ length: channels }, (_, i) => Array.from({ length: channels - i }, (_, k): [number, number] => [i, i + k])).flat()
}

/**
 * Inner products in float64, block after block, of each a pair after the other.
 * @param gradients one for each channel, of one length, from the same border of a block on.
 */
export function blockProducts(gradients: readonly Float32Array[]): number[] {
  const pairs = channelPairs(gradients.length)
  const products: number[] = []
  for (let start = 0; start < gradients[0].length; start += blockElements) {
    const block = gradients.map((gradient) => gradient.subarray(start, start + blockElements))
    for (const [i, j] of pairs) products.push(dot(block[i], block[j]))
  }
  return products
}

/**
 * The scalars of whole vectors from the products of all their blocks in order: `scalars.keep.forget` is ⟨g_keep, g_forget⟩.
 * @throws RangeError where a block is not whole.
 */
export function sumProducts(products: readonly number[], channels: readonly string[]): Scalars<string> {
  const pairs = channelPairs(channels.length)
  if (products.length % pairs.length !== 0) throw new RangeError(`${products.length} products are not those of whole blocks`)
  const sums = new Float64Array(pairs.length)
  for (let i = 0; i < products.length; i++) sums[i % pairs.length] += products[i]
  const scalars: Scalars<string> = Object.fromEntries(channels.map((channel) => [channel, {}]))
  for (const [index, [i, j]] of pairs.entries()) {
    scalars[channels[i]][channels[j]] = sums[index]
    scalars[channels[j]][channels[i]] = sums[index]
  }
  return scalars
}

/** Σ coefficient · gradient, float64 for each element, added in the order of the channels, rounded once. Writes over the first gradient. */
export function combineInPlace(gradients: readonly Float32Array[], coefficients: readonly number[]): Float32Array {
  const [first, ...others] = gradients
  const [factor, ...factors] = coefficients
  for (let i = 0; i < first.length; i++) {
    let sum = factor * first[i]
    for (let k = 0; k < others.length; k++) sum += factors[k] * others[k][i]
    first[i] = sum
  }
  return first
}
