import * as tf from '@tensorflow/tfjs'
import fc from 'fast-check'
import t from 'tap'
import { sissBernoulli as method } from '../../../protocol/methods/siss-bernoulli.ts'
import { openTfjsEngine } from '../../../worker/engine/tfjs/engine.ts'
import type { LossInputs, Predict } from '../../../worker/unlearning/losses.ts'
import { naive } from '../../../worker/unlearning/naive.ts'
import { neggrad } from '../../../worker/unlearning/neggrad.ts'
import { siss } from '../../../worker/unlearning/siss.ts'
import { sissBernoulli } from '../../../worker/unlearning/siss-bernoulli.ts'
import { image, rows, values } from './toy.ts'

/** ε_θ(m) = θ₀·tanh(m) + θ₁·m */
const network =
  (p: tf.Tensor): Predict =>
  (m) => {
    const [p0, p1] = tf.split(p, 2)
    return tf.add(tf.mul(p0, tf.tanh(m)), tf.mul(p1, m))
  }

const { x, a, noise, signal, sigma } = values
const images = [rows, ...image]
const scales = [rows, 1, 1, 1]
const fixed = {
  x: { shape: images, data: x },
  a: { shape: images, data: a },
  noise: { shape: images, data: noise },
  t: { shape: [rows], data: values.t },
  signal: { shape: scales, data: signal },
  sigma: { shape: scales, data: sigma },
}
type Loss = (predict: Predict, inputs: LossInputs) => tf.Tensor

/** The gradient of the sum of a loss over rows. */
async function gradient(
  loss: Loss,
  { theta, coin, scale }: { theta: number[]; coin: number[]; scale?: { signal: number; sigma: number } },
) {
  const constant = (value: number) => ({ shape: scales, data: new Float32Array(rows).fill(value) })
  const fed = {
    ...fixed,
    ...(scale && { signal: constant(scale.signal), sigma: constant(scale.sigma) }),
    coin: { shape: [rows], data: Float32Array.from(coin) },
    theta: { shape: [2], data: Float32Array.from(theta) },
  }
  const program = await openTfjsEngine().compile(({ theta, ...tensors }) => {
    const total = (p: tf.Tensor) => tf.sum(loss(network(p), tensors as unknown as LossInputs)) as tf.Scalar
    return { gradient: tf.grad(total)(theta) }
  }, fed)
  return [...(await program.run(fed)).gradient.data]
}

const of =
  (side: 'keep' | 'forget', lambda: number): Loss =>
  (predict, inputs) =>
    sissBernoulli.losses(predict, inputs, { lambda }, {})[side]
const filled = (value: number) => Array<number>(rows).fill(value)
const number = fc.double({ min: -2, max: 2, noNaN: true })
const near = (one: number[], other: number[]) =>
  one.every((value, i) => Math.abs(value - other[i]) <= 1e-4 * (1 + Math.abs(value) + Math.abs(other[i])))

t.test('in expectation over the coins: naive deletion, and λ of the forget loss', async (t) => {
  const lambdas = fc.double({ min: 0.02, max: 0.98, noNaN: true })
  const property = fc.asyncProperty(lambdas, fc.tuple(number, number), async (lambda, theta) => {
    // Rows are independent and each coin has two outcomes, so the expectation is a sum of two terms.
    const expectation = async (side: 'keep' | 'forget') => {
      const [onX, onA] = await Promise.all([1 - 1e-6, 0].map((coin) => gradient(of(side, lambda), { theta, coin: filled(coin) })))
      return onX.map((value, i) => (1 - lambda) * value + lambda * onA[i])
    }
    const coin = filled(0)
    const kept = await gradient((predict, inputs) => naive.losses(predict, inputs, {}, {}).keep, { theta, coin })
    const forgotten = await gradient((predict, inputs) => neggrad.losses(predict, inputs, {}, {}).forget, { theta, coin })
    const scaled = forgotten.map((value) => lambda * value)
    return near(await expectation('keep'), kept) && near(await expectation('forget'), scaled)
  })
  await fc.assert(property, { numRuns: 50 })
  t.pass('50 settings')
})

t.test('where the weights are one-hot it is SISS, but for 1/λ, which the rule for the norm takes out', async (t) => {
  const [lambda, theta, coin] = [0.3, [0.8, -0.3], [0.9, 0.1, 0.5, 0.2, 0.7]]
  const little = { theta, coin, scale: { signal: 0.998, sigma: 0.06 } }
  for (const side of ['keep', 'forget'] as const) {
    const weighted = await gradient((predict, inputs) => siss.losses(predict, inputs, { lambda }, {})[side], little)
    const plain = (await gradient(of(side, lambda), little)).map((value) => (side === 'keep' ? value : value / lambda))
    t.ok(near(weighted, plain), `${side}: ${plain} for ${weighted}`)
  }
})

t.test('a side without samples is zero, and left out', async (t) => {
  const theta = [0.8, -0.3]
  t.same((await gradient(of('keep', 0.5), { theta, coin: filled(0.1) })).map(Math.abs), [0, 0])
  t.same((await gradient(of('forget', 0.5), { theta, coin: filled(0.9) })).map(Math.abs), [0, 0])
  const options = method.options.parse({ name: 'siss-bernoulli' })
  const scalars = { keep: { keep: 3, forget: 0 }, forget: { keep: 0, forget: 0 } }
  t.same(method.coefficients(scalars, options), { keep: 1, forget: 0 })
})
