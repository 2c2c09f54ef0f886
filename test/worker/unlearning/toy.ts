import { normals, uniforms } from '../../../protocol/random.ts'
import type { LossInput } from '../../../worker/unlearning/losses.ts'

/* One micro-batch of every input, drawn by fixed keys, and two settings of the parameters of a network that is small enough for formulas. */

export const rows = 5
export const image = [1, 3, 2]
export const elements = 6
export const classCount = 4

const draw = (sample: number) =>
  normals({ seed: 9, purpose: 'noise', step: 0, sample }, new Float32Array(rows * elements)).map((v) => v / 2)
const signal = Float32Array.of(0.95, 0.4, 0.16, 0.026, 0.007)
const perRow = (...classes: number[]) => Int32Array.from(classes)

/** A model of classes 0 to 2, of which 2 is forgotten, and the null class 3. */
export const values = {
  x: draw(0),
  a: draw(1),
  noise: draw(2),
  alternative: draw(3),
  t: Float32Array.of(100, 400, 600, 850, 990),
  signal,
  sigma: signal.map((value) => Math.sqrt(1 - value * value)),
  /** One of them equal to the λ of a test: it takes the kept image. */
  coin: Float32Array.of(0.9, 0.1, 0.5, 0.3, 0.78),
  uniform: uniforms({ seed: 9, purpose: 'uniform_target', step: 0, sample: 0 }, new Float32Array(rows * elements)),
  xClass: perRow(0, 1, 1, 0, 1),
  aClass: perRow(2, 2, 2, 2, 2),
  otherClass: perRow(1, 0, 0, 1, 0),
  nullClass: perRow(3, 3, 3, 3, 3),
} satisfies Record<LossInput, Float32Array | Int32Array>

export const theta = Float32Array.of(0.7, -0.4, 0.2, 1.3)
/** The parameters that the run began with. */
export const original = Float32Array.of(-0.2, 0.5, 0.9, -0.8)
