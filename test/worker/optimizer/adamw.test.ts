import t from 'tap'
import { normals } from '../../../protocol/random.ts'
import { AdamW, power } from '../../../worker/optimizer/adamw.ts'
import { relativeError } from '../golden.ts'

const options = { betas: [0.95, 0.999], eps: 1e-8, weightDecay: 0.02 } as const
const draw = (sample: number) => normals({ seed: 5, purpose: 'noise', step: 0, sample }, new Float32Array(100))

/** Algorithm 2 of Loshchilov & Hutter 2019 in float64, one parameter at a time; the decay is scaled by the learning rate as in PyTorch. */
function reference(start: Float32Array, gradients: Float32Array[], rate: (step: number) => number): Float64Array {
  const { betas, eps, weightDecay } = options
  return Float64Array.from(start, (value, i) => {
    let [theta, m, v] = [value, 0, 0]
    for (const [k, gradient] of gradients.entries()) {
      m = betas[0] * m + (1 - betas[0]) * gradient[i]
      v = betas[1] * v + (1 - betas[1]) * gradient[i] ** 2
      const [mHat, vHat] = [m / (1 - betas[0] ** (k + 1)), v / (1 - betas[1] ** (k + 1))]
      theta -= rate(k) * weightDecay * theta + (rate(k) * mHat) / (Math.sqrt(vHat) + eps)
    }
    return theta
  })
}

t.test('thirty steps with a changing rate are those of the algorithm', async (t) => {
  const start = draw(0)
  const gradients = Array.from({ length: 30 }, (_, k) => draw(k + 1))
  const rate = (step: number) => 1e-2 / (step + 1)
  const parameters = start.slice()
  const optimizer = new AdamW(parameters.length, options)
  for (const [step, gradient] of gradients.entries()) optimizer.update(parameters, gradient, step, rate(step))
  const expected = reference(start, gradients, rate)
  t.ok(relativeError(parameters, expected) < 1e-6)
  const moved = (end: ArrayLike<number>) => Array.from(end, (value, i) => value - start[i])
  t.ok(relativeError(moved(parameters), moved(expected)) < 1e-4, 'and so is the way they moved')
})

t.test('the first step is the learning rate against the sign of the gradient', async (t) => {
  const parameters = Float32Array.of(0, 0, 0)
  new AdamW(3, { ...options, weightDecay: 0 }).update(parameters, Float32Array.of(1e-3, -100, 0), 0, 0.5)
  t.ok(Math.abs(parameters[0] + 0.5) < 1e-4)
  t.ok(Math.abs(parameters[1] - 0.5) < 1e-6)
  t.equal(parameters[2], 0)
})

t.test('decay shrinks what has no gradient', async (t) => {
  const parameters = Float32Array.of(1)
  new AdamW(1, options).update(parameters, Float32Array.of(0), 0, 0.5)
  t.equal(parameters[0], Math.fround(0.99))
})

t.test('power', async (t) => {
  for (const base of [0, 0.5, 0.95, 0.999, 1])
    for (const exponent of [0, 1, 2, 3, 10, 1000, 117_500]) {
      const expected = base ** exponent
      t.ok(Math.abs(power(base, exponent) - expected) <= 1e-10 * expected, `${base}^${exponent}`)
    }
})
