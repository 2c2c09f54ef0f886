import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { decodeSafetensors, floats } from '../../worker/checkpoint/safetensors.ts'

/** Tensors of a golden file (test/golden/README.md says how they were made), as float32 with their shapes. */
export function golden(path: string): {
  get(name: string): { shape: number[]; data: Float32Array }
  names: string[]
  metadata: Record<string, string>
} {
  const bytes = readFileSync(fileURLToPath(new URL(`../golden/${path}`, import.meta.url)))
  const { tensors, metadata } = decodeSafetensors(bytes)
  return {
    names: [...tensors.keys()],
    metadata: metadata ?? {},
    get(name) {
      const tensor = tensors.get(name)
      if (!tensor) throw new Error(`golden file ${path} has no tensor ${name}`)
      return { shape: tensor.shape, data: floats(tensors, name) }
    },
  }
}

export function goldenJson(path: string): unknown {
  return JSON.parse(readFileSync(fileURLToPath(new URL(`../golden/${path}`, import.meta.url)), 'utf8'))
}

/** ‖actual − expected‖ / ‖expected‖ */
export function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY
  let difference = 0
  let norm = 0
  for (let i = 0; i < expected.length; i++) {
    difference += (actual[i] - expected[i]) ** 2
    norm += expected[i] ** 2
  }
  return Math.sqrt(difference / norm)
}
