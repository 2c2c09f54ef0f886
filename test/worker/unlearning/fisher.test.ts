import t from 'tap'
import { addFisherPenalty, squared } from '../../../worker/unlearning/fisher.ts'

const vector = (length: number, of: (i: number) => number) => Float32Array.from({ length }, (_, i) => of(i))

t.test('the penalty and its gradient, against float64 differences', async (t) => {
  const length = 50
  const original = vector(length, (i) => Math.sin(i))
  const parameters = vector(length, (i) => Math.sin(i) + 0.1 * Math.cos(3 * i))
  const fisher = vector(length, (i) => 1 + (i % 5))
  const [rounds, lambda] = [4, 10]
  const value = (at: Float64Array) => at.reduce((sum, one, i) => sum + lambda * (fisher[i] / rounds) * (one - original[i]) ** 2, 0)
  const gradient = vector(length, () => 0.5)
  const penalty = addFisherPenalty(gradient, { parameters, original, fisher, rounds, lambda })
  t.ok(Math.abs(penalty - value(Float64Array.from(parameters))) < 1e-6 * penalty)
  const h = 1e-4
  for (let i = 0; i < length; i++) {
    const shifted = (by: number) => Float64Array.from(parameters, (one, k) => (k === i ? one + by : one))
    const slope = (value(shifted(h)) - value(shifted(-h))) / (2 * h)
    t.ok(Math.abs(gradient[i] - 0.5 - slope) < 1e-5 * (1 + Math.abs(slope)), `element ${i}`)
  }
})

t.test('squares of single samples add up', async (t) => {
  const sample = (scale: number) => [{ channel: 'keep', loss: scale, gradient: Float32Array.of(scale, -2 * scale) }]
  const one = squared(sample(1), null, 2)
  const both = squared(sample(3), one, 2)
  t.same(both, [{ channel: 'keep', loss: 2, gradient: Float32Array.of(5, 20) }])
})
