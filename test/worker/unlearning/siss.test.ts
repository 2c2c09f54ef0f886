import * as tf from '@tensorflow/tfjs'
import t from 'tap'
import { normals, uniforms } from '../../../protocol/random.ts'
import type { HostTensorMap, StepFunction } from '../../../worker/engine/engine.ts'
import { openEngine } from '../../../worker/engine/open.ts'
import type { LossInputs, Predict } from '../../../worker/unlearning/losses.ts'
import { importanceWeights, siss, weightsOf } from '../../../worker/unlearning/siss.ts'

async function evaluate(step: StepFunction, inputs: HostTensorMap, engineName: 'onnx' | 'tfjs' = 'onnx'): Promise<HostTensorMap> {
  const engine = await openEngine({ name: engineName, threads: 1 })
  const program = await engine.compile(step, Object.fromEntries(Object.entries(inputs).map(([name, { shape }]) => [name, { shape }])))
  const outputs = await program.run(inputs)
  program.dispose()
  return outputs
}

const vector = (...values: number[]) => ({ shape: [values.length], data: Float32Array.from(values) })
const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length

for (const engineName of ['onnx', 'tfjs'] as const) {
  t.test(`${engineName}: weights as functions of Δ`, async (t) => {
    const table = [
      [0.5, 0, 1, 1],
      [0.5, 1, 1.462117, 0.537883],
      [0.5, -2, 0.238406, 1.761594],
      [0.25, 1, 1.187691, 0.436927],
      [0.25, 40, 1.333333, 0],
      [0.75, 5, 3.920747, 0.026418],
    ]
    for (const [lambda, delta, x, a] of table) {
      const { wx, wa } = await evaluate(({ delta }) => weightsOf(delta, lambda), { delta: vector(delta) }, engineName)
      t.ok(Math.abs(wx.data[0] - x) < 2e-6 && Math.abs(wa.data[0] - a) < 2e-6, `λ ${lambda}, Δ ${delta}: ${wx.data[0]}, ${wa.data[0]}`)
    }
    for (const lambda of [0.01, 0.25, 0.5, 0.75, 0.99]) {
      const deltas = [-1e4, -100, -3, -0.1, 0, 0.1, 3, 100, 1e4]
      const { wx, wa } = await evaluate(({ delta }) => weightsOf(delta, lambda), { delta: vector(...deltas) }, engineName)
      deltas.forEach((delta, i) => {
        const [x, a] = [wx.data[i], wa.data[i]]
        t.ok(Math.abs((1 - lambda) * x + lambda * a - 1) < 1e-6, `λ ${lambda}, Δ ${delta}: both sides of the mixture make one`)
        t.ok(x >= 0 && x <= (1 + 1e-6) / (1 - lambda) && a >= 0 && a <= (1 + 1e-6) / lambda, 'within their bounds')
      })
      t.ok(wx.data[0] < 1e-30 && Math.abs(wa.data[0] * lambda - 1) < 1e-6, `λ ${lambda}: all a`)
      t.ok(wa.data[8] < 1e-30 && Math.abs(wx.data[8] * (1 - lambda) - 1) < 1e-6, `λ ${lambda}: all x`)
    }
    const ends = await evaluate(({ delta }) => ({ ...weightsOf(delta, 0) }), { delta: vector(-1, 0, 2, 1e4) }, engineName)
    t.same([...ends.wx.data], [1, 1, 1, 1], 'λ 0')
    t.ok(Math.abs(ends.wa.data[2] - Math.exp(-2)) < 1e-6 && ends.wa.data[3] === 0)
    const others = await evaluate(({ delta }) => ({ ...weightsOf(delta, 1) }), { delta: vector(-1e4, 0, -2) }, engineName)
    t.same([...others.wa.data], [1, 1, 1], 'λ 1')
    t.ok(Math.abs(others.wx.data[2] - Math.exp(-2)) < 1e-6 && others.wx.data[0] === 0)
  })
}

/** Pairs [rows,1,2,2] with one signal and sigma, drawn by fixed keys. */
function pairs(
  rows: number,
  number: number,
  points: { x: readonly number[][]; a: readonly number[][] },
  signal: number,
  sigma: number,
): HostTensorMap {
  const image = [rows, 1, 2, 2]
  const pick = (from: readonly number[][], row: number) => from[row % from.length]
  const fill = (from: readonly number[][], stride: number) => ({
    shape: image,
    data: Float32Array.from({ length: rows * 4 }, (_, i) => pick(from, Math.floor(i / 4 / stride))[i % 4]),
  })
  const column = (value: number) => ({ shape: [rows, 1, 1, 1], data: new Float32Array(rows).fill(value) })
  return {
    x: fill(points.x, 1),
    a: fill(points.a, points.x.length),
    t: { shape: [rows], data: new Float32Array(rows).fill(500) },
    signal: column(signal),
    sigma: column(sigma),
    noise: { shape: image, data: normals({ seed: 3, purpose: 'noise', step: number, sample: 0 }, new Float32Array(rows * 4)) },
    coin: { shape: [rows], data: uniforms({ seed: 3, purpose: 'coin', step: number, sample: 0 }, new Float32Array(rows)) },
  }
}

const all = [
  [0.3, -0.6, 0.9, 0.1],
  [-0.5, 0.4, 0.2, -0.8],
  [0.7, 0.7, -0.3, 0.5],
  [-0.2, -0.9, -0.4, 0.6],
]
const forgotten = all.slice(3)
const [signal, sigma] = [0.6, 0.8]

t.test('Δ by the inner product is d_a − d_x', async (t) => {
  for (const [gamma, deviation] of [
    [0.6, 0.8],
    [0.05, 0.9987],
    [0.97, 0.2431],
  ]) {
    const inputs = pairs(64, 0, { x: all, a: forgotten }, gamma, deviation)
    const [x, a, noise, coin] = ['x', 'a', 'noise', 'coin'].map((name) => inputs[name].data)
    const m = {
      shape: inputs.x.shape,
      data: Float32Array.from(x, (value, i) => gamma * (coin[i >> 2] > 0.5 ? value : a[i]) + deviation * noise[i]),
    }
    for (const lambda of [0.25, 0.5, 0.75]) {
      const { wx, wa } = await evaluate(({ m, ...tensors }) => importanceWeights(m, tensors as unknown as LossInputs, lambda), {
        ...inputs,
        m,
      })
      const worst = Array.from({ length: 64 }, (_, row) => {
        const distance = (image: ArrayLike<number>) => {
          let sum = 0
          for (let i = 4 * row; i < 4 * row + 4; i++) sum += (m.data[i] - gamma * image[i]) ** 2 / (2 * deviation ** 2)
          return sum
        }
        const ratio = Math.exp(distance(x) - distance(a))
        return Math.max(
          Math.abs(wx.data[row] - 1 / (1 - lambda + lambda * ratio)),
          Math.abs(wa.data[row] - 1 / ((1 - lambda) / ratio + lambda)),
        )
      })
      t.ok(Math.max(...worst) < 2e-5, `γ ${gamma}, λ ${lambda}: ${Math.max(...worst)}`)
    }
  }
})

/** ε_θ(m) = w·m + c, element by element. */
const linear =
  (w: tf.Tensor, c: tf.Tensor): Predict =>
  (m) =>
    tf.add(tf.mul(w, m), c)
const w = { shape: [1, 1, 2, 2], data: Float32Array.of(0.4, -0.2, 0.9, 0.1) }
const c = { shape: [1, 1, 2, 2], data: Float32Array.of(0.1, 0.3, -0.2, 0.5) }

t.test('weights average to one, and the gradient to that of naive deletion', async (t) => {
  const rows = 8192
  const repeats = 16
  const [n, k] = [all.length, forgotten.length]
  const kept = all.slice(0, n - k)
  const engine = await openEngine({ name: 'onnx', threads: 1 })
  const shapes = pairs(rows, 0, { x: all, a: forgotten }, signal, sigma)
  const signature = Object.fromEntries(Object.entries({ ...shapes, w, c }).map(([name, { shape }]) => [name, { shape }]))
  // ∇_w and ∇_c of E‖ε − w·m − c‖² over kept x and ε, worked out by hand.
  const expected = [0, 1, 2, 3].flatMap((j) => {
    const [first, second] = [mean(kept.map((x) => x[j])), mean(kept.map((x) => x[j] ** 2))]
    const [wj, cj] = [w.data[j], c.data[j]]
    return [-2 * (sigma - wj * (signal ** 2 * second + sigma ** 2) - cj * signal * first), 2 * (wj * signal * first + cj)]
  })
  for (const lambda of [0.25, 0.5, 0.75]) {
    const program = await engine.compile((tensors) => {
      const inputs = tensors as unknown as LossInputs
      const average = (channel: 'keep' | 'forget') => (wt: tf.Tensor, ct: tf.Tensor) =>
        tf.mean(siss.losses(linear(wt, ct), inputs, { lambda }, {})[channel]) as tf.Scalar
      const gradients = (channel: 'keep' | 'forget') => tf.grads(average(channel))([tensors.w, tensors.c])
      const total = gradients('keep').map((keep, i) => tf.sub(tf.mul(keep, n / (n - k)), tf.mul(gradients('forget')[i], k / (n - k))))
      // A loss of 1 for each sample leaves the mean weights.
      const takesX = tf.reshape(tf.cast(tf.greater(inputs.coin, lambda), 'float32'), [-1, 1, 1, 1])
      const source = tf.add(tf.mul(takesX, inputs.x), tf.mul(tf.sub(1, takesX), inputs.a))
      const m = tf.add(tf.mul(inputs.signal, source), tf.mul(inputs.sigma, inputs.noise))
      const { wx, wa } = importanceWeights(m, inputs, lambda)
      return { dw: total[0], dc: total[1], wx: tf.mean(wx), wa: tf.mean(wa) }
    }, signature)
    const results: number[][] = []
    const weights: [number, number][] = []
    for (let repeat = 0; repeat < repeats; repeat++) {
      const { dw, dc, wx, wa } = await program.run({ ...pairs(rows, repeat, { x: all, a: forgotten }, signal, sigma), w, c })
      results.push([0, 1, 2, 3].flatMap((j) => [dw.data[j], dc.data[j]]))
      weights.push([wx.data[0], wa.data[0]])
    }
    program.dispose()
    /** Deviation of the mean of runs from the truth, in its own standard errors. */
    const errors = (values: number[], truth: number) => {
      const centre = mean(values)
      const variance = mean(values.map((value) => (value - centre) ** 2)) / (values.length - 1)
      return Math.abs(centre - truth) / Math.sqrt(variance)
    }
    for (const side of [0, 1] as const)
      t.ok(
        errors(
          weights.map((pair) => pair[side]),
          1,
        ) < 4,
        `λ ${lambda}: E w_${side ? 'a' : 'x'} = 1`,
      )
    expected.forEach((truth, i) => {
      const values = results.map((result) => result[i])
      t.ok(errors(values, truth) < 4, `λ ${lambda}: ${i % 2 ? 'c' : 'w'}${i >> 1} ${mean(values).toFixed(4)} for ${truth.toFixed(4)}`)
      t.ok(Math.abs(mean(values) - truth) < 0.05, 'and the estimate is a sharp one')
    })
  }
})

t.test('one forward pass serves both losses', async (t) => {
  let calls = 0
  const inputs = pairs(4, 0, { x: all, a: forgotten }, signal, sigma)
  await evaluate((tensors) => {
    const predict: Predict = (m) => {
      calls += 1
      return m
    }
    return siss.losses(predict, tensors as unknown as LossInputs, { lambda: 0.5 }, {})
  }, inputs)
  t.equal(calls, 1)
})
