import * as tf from '@tensorflow/tfjs'
import t from 'tap'
import type { MethodName } from '../../../protocol/methods/index.ts'
import { normals, uniforms } from '../../../protocol/random.ts'
import { openEngine } from '../../../worker/engine/open.ts'
import { lossesOf } from '../../../worker/unlearning/index.ts'
import { type LossInput, type LossInputs, lossInputShapes, type Predict } from '../../../worker/unlearning/losses.ts'
import { differences } from '../engine/array64.ts'
import { relativeError } from '../golden.ts'

/* The loss of every method on a network of three parameters, against its formula in float64 and finite differences of that. */

const rows = 5
const image = [rows, 1, 3, 2]
const elements = 6
const times = [100, 400, 600, 850, 990]
const signals = [0.95, 0.4, 0.16, 0.026, 0.007]
const draw = (sample: number) =>
  normals({ seed: 9, purpose: 'noise', step: 0, sample }, new Float32Array(rows * elements)).map((v) => v / 2)
const [x, a, noise] = [draw(0), draw(1), draw(2)]
const uniform = uniforms({ seed: 9, purpose: 'uniform_target', step: 0, sample: 0 }, new Float32Array(rows * elements))
const coin = uniforms({ seed: 9, purpose: 'coin', step: 0, sample: 0 }, new Float32Array(rows))
const signal = Float32Array.from(signals)
const sigma = signal.map((value) => Math.sqrt(1 - value * value))
const theta = Float32Array.of(0.7, -0.4, 0.2)

/** ε_θ(m, t) = θ₀·tanh(m) + θ₁·m + θ₂·t/1000 */
const predictTensor =
  (p: tf.Tensor): Predict =>
  (m, time) => {
    const [p0, p1, p2] = tf.split(p, 3)
    return tf.add(tf.add(tf.mul(p0, tf.tanh(m)), tf.mul(p1, m)), tf.reshape(tf.mul(p2, tf.div(time, 1000)), [-1, 1, 1, 1]))
  }

type Point = (i: number, row: number) => number
const takesX = (row: number, lambda: number) => coin[row] > lambda

/** Σ over rows and elements of weight·(target − ε_θ(m))². */
function squares(p: Float64Array, m: Point, target: Point, weight: (row: number) => number): number {
  let sum = 0
  for (let i = 0; i < rows * elements; i++) {
    const row = Math.floor(i / elements)
    const at = m(i, row)
    sum += weight(row) * (target(i, row) - (p[0] * Math.tanh(at) + p[1] * at + (p[2] * times[row]) / 1000)) ** 2
  }
  return sum
}

const noised =
  (clean: Float32Array): Point =>
  (i, row) =>
    signal[row] * clean[i] + sigma[row] * noise[i]
const epsilon = (p: Float64Array, clean: Float32Array) =>
  squares(
    p,
    noised(clean),
    (i) => noise[i],
    () => 1,
  )

function mixture(p: Float64Array, lambda: number, side: 'x' | 'a'): number {
  const m: Point = (i, row) => noised(takesX(row, lambda) ? x : a)(i, row)
  const distance = (clean: Float32Array, row: number) => {
    let sum = 0
    for (let i = row * elements; i < (row + 1) * elements; i++) sum += (m(i, row) - signal[row] * clean[i]) ** 2 / (2 * sigma[row] ** 2)
    return sum
  }
  const clean = side === 'x' ? x : a
  const weight = (row: number) => {
    const ratio = Math.exp(distance(x, row) - distance(a, row))
    return side === 'x' ? 1 / (1 - lambda + lambda * ratio) : 1 / ((1 - lambda) / ratio + lambda)
  }
  return squares(p, m, (i, row) => (m(i, row) - signal[row] * clean[i]) / sigma[row], weight)
}

const formulas: { name: MethodName; options: object; losses: Record<string, (p: Float64Array) => number> }[] = [
  { name: 'denoise', options: {}, losses: { keep: (p) => epsilon(p, x) / elements } },
  { name: 'naive', options: {}, losses: { keep: (p) => epsilon(p, x) } },
  { name: 'neggrad', options: {}, losses: { forget: (p) => epsilon(p, a) } },
  { name: 'siss-no-is', options: {}, losses: { keep: (p) => epsilon(p, x), forget: (p) => epsilon(p, a) } },
  {
    name: 'erasediff',
    options: {},
    losses: {
      keep: (p) => epsilon(p, x),
      forget: (p) =>
        squares(
          p,
          noised(a),
          (i) => uniform[i],
          () => 1,
        ),
    },
  },
  ...[0.25, 0.5, 0.75].map((lambda) => ({
    name: 'siss' as const,
    options: { lambda },
    losses: { keep: (p: Float64Array) => mixture(p, lambda, 'x'), forget: (p: Float64Array) => mixture(p, lambda, 'a') },
  })),
]

const values: Partial<Record<LossInput, Float32Array>> = { x, a, noise, t: Float32Array.from(times), signal, sigma, coin, uniform }
const shapes = lossInputShapes(rows, image.slice(1))

for (const engineName of ['onnx', 'tfjs'] as const) {
  for (const { name, options, losses } of formulas) {
    t.test(`${engineName}: ${name} ${JSON.stringify(options)}`, async (t) => {
      const method = lossesOf(name)
      const engine = await openEngine({ name: engineName, threads: 1 })
      // Only what the method says that it needs.
      const inputs = Object.fromEntries(method.needs.map((need) => [need, { shape: shapes[need], data: values[need] as Float32Array }]))
      const program = await engine.compile(
        (tensors) =>
          Object.fromEntries(
            Object.keys(losses).flatMap((channel) => {
              const total = (p: tf.Tensor) =>
                tf.sum(method.losses(predictTensor(p), tensors as unknown as LossInputs, options as never, {})[channel]) as tf.Scalar
              const { value, grad } = tf.valueAndGrad(total)(tensors.theta)
              return [
                [channel, value],
                [`d${channel}`, grad],
              ]
            }),
          ),
        { theta: { shape: [3] }, ...Object.fromEntries(Object.entries(inputs).map(([need, { shape }]) => [need, { shape }])) },
      )
      const outputs = await program.run({ theta: { shape: [3], data: theta }, ...inputs })
      program.dispose()
      for (const [channel, formula] of Object.entries(losses)) {
        const p = Float64Array.from(theta)
        const gradient = differences({ shape: [3], data: p }, () => formula(p))
        t.ok(relativeError(outputs[channel].data, [formula(p)]) < 1e-5, `${channel}: ${outputs[channel].data[0]} for ${formula(p)}`)
        t.ok(
          relativeError(outputs[`d${channel}`].data, gradient) < 1e-5,
          `∇ ${channel}: ${relativeError(outputs[`d${channel}`].data, gradient)}`,
        )
      }
    })
  }
}
