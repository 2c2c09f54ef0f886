import { setImmediate as breathe } from 'node:timers/promises'
import { LetheError } from '../../protocol/errors.ts'
import type { Method, Scalars } from '../../protocol/method.ts'
import { addInPlace, dot } from '../../protocol/tree.ts'

/** Elements handled without giving the event loop a turn. Part of the result: inner products are sums over slices of this length. */
const sliceElements = 2 ** 20

/** PyTorch's guard in `clip_grad_norm_`. */
const clipEpsilon = 1e-6

async function* slices(length: number): AsyncGenerator<[start: number, end: number]> {
  for (let start = 0; start < length; start += sliceElements) {
    if (start > 0) await breathe()
    yield [start, Math.min(start + sliceElements, length)]
  }
}

/** left += right, slice by slice. */
export async function addSlices(left: Float32Array, right: Float32Array): Promise<void> {
  for await (const [start, end] of slices(left.length)) addInPlace(left.subarray(start, end), right.subarray(start, end))
}

/** Inner products of every pair of channels, in float64: `scalars.keep.forget` is ⟨g_keep, g_forget⟩. */
export async function scalarsOf(gradients: ReadonlyMap<string, Float32Array>): Promise<Scalars<string>> {
  const channels = [...gradients.keys()]
  const scalars: Scalars<string> = Object.fromEntries(channels.map((channel) => [channel, {}]))
  for (const [i, one] of channels.entries())
    for (const other of channels.slice(i)) {
      const [a, b] = [gradients.get(one) as Float32Array, gradients.get(other) as Float32Array]
      let sum = 0
      for await (const [start, end] of slices(a.length)) sum += dot(a.subarray(start, end), b.subarray(start, end))
      scalars[one][other] = sum
      scalars[other][one] = sum
    }
  return scalars
}

/** ‖Σ c·g‖ from the scalars alone; rounding may take a square slightly below zero. */
export function combinedNorm(scalars: Scalars<string>, coefficients: Record<string, number>): number {
  let square = 0
  for (const [one, row] of Object.entries(scalars))
    for (const [other, product] of Object.entries(row)) square += coefficients[one] * coefficients[other] * product
  return Math.sqrt(Math.max(0, square))
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
): { coefficients: Record<string, number>; norm: number } {
  const bad = Object.keys(scalars).find((channel) => !Number.isFinite(scalars[channel][channel]))
  if (bad !== undefined) throw new LetheError('COMPUTE_NOT_FINITE', { message: `The gradient of channel ${bad} is not finite` })
  const coefficients = method.coefficients(scalars, options as never)
  const norm = combinedNorm(scalars, coefficients)
  if (!Number.isFinite(norm)) throw new LetheError('COMPUTE_NOT_FINITE', { message: 'The update direction is not finite' })
  const scale = Math.min(1, clipNorm / (norm + clipEpsilon))
  return { coefficients: Object.fromEntries(Object.entries(coefficients).map(([channel, one]) => [channel, one * scale])), norm }
}

/** Σ coefficient · gradient over channels in order, float64 for each element, rounded once. Writes over the first gradient. */
export async function combine(gradients: ReadonlyMap<string, Float32Array>, coefficients: Record<string, number>): Promise<Float32Array> {
  const [[firstChannel, first], ...others] = [...gradients]
  const factor = coefficients[firstChannel]
  for await (const [start, end] of slices(first.length))
    for (let i = start; i < end; i++) {
      let sum = factor * first[i]
      for (const [channel, gradient] of others) sum += coefficients[channel] * gradient[i]
      first[i] = sum
    }
  return first
}
