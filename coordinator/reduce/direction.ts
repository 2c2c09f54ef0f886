import { setImmediate as breathe } from 'node:timers/promises'
import { blockProducts, chunksOf, combineInPlace, sumProducts } from '../../protocol/blocks.ts'
import { LetheError } from '../../protocol/errors.ts'
import type { Method, Scalars } from '../../protocol/method.ts'
import type { RoundPhase } from '../../protocol/rounds.ts'
import { addInPlace } from '../../protocol/tree.ts'

/** PyTorch's guard in `clip_grad_norm_`. */
const clipEpsilon = 1e-6

/** Chunks of a vector, with a turn of the event loop between two. */
async function* chunks(length: number): AsyncGenerator<[start: number, end: number]> {
  for (const { start, end } of chunksOf(0, length)) {
    if (start > 0) await breathe()
    yield [start, end]
  }
}

/** left += right, chunk by chunk. */
export async function addSlices(left: Float32Array, right: Float32Array): Promise<void> {
  for await (const [start, end] of chunks(left.length)) addInPlace(left.subarray(start, end), right.subarray(start, end))
}

/** Inner products of every pair of channels, in float64, summed block after block: `scalars.keep.forget` is ⟨g_keep, g_forget⟩. */
export async function scalarsOf(gradients: ReadonlyMap<string, Float32Array>): Promise<Scalars<string>> {
  const vectors = [...gradients.values()]
  const products: number[] = []
  for await (const [start, end] of chunks(vectors[0].length))
    products.push(...blockProducts(vectors.map((vector) => vector.subarray(start, end))))
  return sumProducts(products, [...gradients.keys()])
}

/** ‖Σ c·g‖ from the scalars alone; rounding may take a square slightly below zero. */
export function combinedNorm(scalars: Scalars<string>, coefficients: Record<string, number>): number {
  let square = 0
  for (const [one, row] of Object.entries(scalars))
    for (const [other, product] of Object.entries(row)) square += coefficients[one] * coefficients[other] * product
  return Math.sqrt(Math.max(0, square))
}

function coefficientsIn(phase: RoundPhase, method: Method, options: object, scalars: Scalars<string>): Record<string, number> {
  if (phase === 'update') return method.coefficients(scalars, options as never)
  const only = phase === 'prepare' ? method.prepare?.channel : method.inner?.channel
  return Object.fromEntries(method.channels.map((channel) => [channel, channel === only ? 1 : 0]))
}

/**
 * The method's coefficients, clipped to a global norm (PyTorch `clip_grad_norm_`: scale = min(1, clipNorm / (norm + 1e-6))).
 * @throws LetheError COMPUTE_NOT_FINITE where a gradient is not finite.
 */
export function clippedCoefficients(
  method: Method,
  options: object,
  scalars: Scalars<string>,
  clipNorm: number,
  { step, phase = 'update' }: { step?: number; phase?: RoundPhase } = {},
): { coefficients: Record<string, number>; norm: number } {
  const where = step === undefined ? '' : ` in step ${step}`
  const bad = Object.keys(scalars).find((channel) => !Number.isFinite(scalars[channel][channel]))
  if (bad !== undefined) throw new LetheError('COMPUTE_NOT_FINITE', { message: `The gradient of channel ${bad} is not finite${where}` })
  const coefficients = coefficientsIn(phase, method, options, scalars)
  const norm = combinedNorm(scalars, coefficients)
  if (!Number.isFinite(norm)) throw new LetheError('COMPUTE_NOT_FINITE', { message: `The update direction is not finite${where}` })
  // SalUn clips each gradient that it adds up; Fisher information and steps that are taken back are not clipped.
  const isClipped = phase === 'update' || (phase === 'prepare' && method.prepare?.of === 'saliency')
  const scale = isClipped ? Math.min(1, clipNorm / (norm + clipEpsilon)) : 1
  return { coefficients: Object.fromEntries(Object.entries(coefficients).map(([channel, one]) => [channel, one * scale])), norm }
}

/** Σ coefficient · gradient over channels in order, float64 for each element, rounded once. Writes over the first gradient. */
export async function combine(gradients: ReadonlyMap<string, Float32Array>, coefficients: Record<string, number>): Promise<Float32Array> {
  const vectors = [...gradients.values()]
  const factors = [...gradients.keys()].map((channel) => coefficients[channel])
  for await (const [start, end] of chunks(vectors[0].length))
    combineInPlace(
      vectors.map((vector) => vector.subarray(start, end)),
      factors,
    )
  return vectors[0]
}
