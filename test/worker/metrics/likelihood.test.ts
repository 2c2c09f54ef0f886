import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import * as tf from '@tensorflow/tfjs'
import t from 'tap'
import { normals } from '../../../protocol/random.ts'
import { makeSchedule } from '../../../worker/diffusion/schedule.ts'
import type { TensorMap } from '../../../worker/engine/engine.ts'
import { openEngine } from '../../../worker/engine/open.ts'
import {
  bitsPerDimension,
  forwardSde,
  imageLikelihood,
  likelihoodDefaults,
  type NoiseField,
  type NoiseModel,
  NoiseProgram,
  rademacherProbes,
  traceEstimate,
} from '../../../worker/metrics/likelihood.ts'
import { Model } from '../../../worker/model.ts'
import { relativeError } from '../golden.ts'

const diffusion = { timesteps: 1000, betaSchedule: 'linear', betaStart: 1e-4, betaEnd: 0.02 } as const
const sde = forwardSde(diffusion, 'continuous')
const exact = { tolerance: 1e-10, maxEvaluations: 100_000 }
/** a² of x_t = a·x + √(1 − a²)·ε, at a time in [0,1]. */
const signalSquare = (time: number) => Math.exp(-0.1 * time - 9.95 * time * time)

const mean = [0.1, -0.2, 0.05, 0.3, -0.1, 0.15]
const variance = [0.5, 0.1, 0.9, 0.02, 0.25, 1.5]
const image = [0.4, -0.5, 0.9, 0.2, -0.3, 1]
const ones = new Float32Array(image.length).fill(1)

/** The exact ε of data N(mean, diag(variance)) where the squared signal of a label is known; its derivative is diagonal. */
function gaussianNoise(squareOf: (label: number) => number): NoiseField {
  return async (x, label) => {
    const square = squareOf(label)
    const slope = variance.map((one) => Math.sqrt(1 - square) / (square * one + 1 - square))
    return { epsilon: slope.map((one, i) => one * (x[i] - Math.sqrt(square) * mean[i])), products: slope }
  }
}
const gaussian = gaussianNoise((label) => signalSquare(label / 999))

/** −log N(x; m, v) in bits per dimension, with the 7 bits of 256 levels on [−1,1]. */
function gaussianBits(x: readonly number[], m: readonly number[], v: readonly number[]): number {
  const nats = x.reduce((sum, value, i) => sum + ((value - m[i]) ** 2 / v[i] + Math.log(2 * Math.PI * v[i])) / 2, 0)
  return nats / x.length / Math.LN2 + Math.log2(128)
}

t.test('the SDE of the default schedule: β from 0.1 to 20, and its noise', async (t) => {
  t.ok(Math.abs(sde.beta(0) - 0.1) < 1e-12 && Math.abs(sde.beta(1) - 20) < 1e-12)
  for (const time of [1e-5, 0.01, 0.3, 1]) {
    const { label, std } = sde.level(time)
    t.equal(label, 999 * time)
    t.ok(Math.abs(std ** 2 / (1 - signalSquare(time)) - 1) < 1e-9, `t = ${time}`)
  }
  t.ok(Math.abs(sde.level(1e-5).std / 1e-3 - 1) < 1e-3, 'no cancellation: √(0.1·t)')
  const whole = forwardSde(diffusion, 'integer')
  t.same(whole.level(0.5009), { label: 500, std: makeSchedule(diffusion).noise[500] })
  t.equal(whole.level(1).label, 999)
  t.throws(() => forwardSde({ ...diffusion, betaSchedule: 'squaredcos_cap_v2' }, 'continuous'), { code: 'JOB_INVALID' })
})

t.test('a Gaussian whose score is known: the bits of the flow in closed form, and of the density', async (t) => {
  // Each coordinate keeps its number of standard deviations on the way.
  const [begin, end] = [1e-5, 1].map((time) => {
    const square = signalSquare(time)
    return variance.map((one, i) => ({ mean: Math.sqrt(square) * mean[i], deviation: Math.sqrt(square * one + 1 - square) }))
  })
  const stretch = end.map(({ deviation }, i) => deviation / begin[i].deviation)
  const arrival = image.map((value, i) => end[i].mean + stretch[i] * (value - begin[i].mean))
  const standard = gaussianBits(arrival, Array(6).fill(0), Array(6).fill(1))
  const flow = standard - stretch.reduce((sum, one) => sum + Math.log2(one), 0) / 6
  const closely = await bitsPerDimension(gaussian, sde, image, ones, exact)
  t.ok(Math.abs(closely.bitsPerDimension - flow) < 1e-8, `${closely.bitsPerDimension} of ${flow}`)

  const density = gaussianBits(image, mean, variance)
  const usual = await bitsPerDimension(gaussian, sde, image, ones, likelihoodDefaults)
  t.ok(Math.abs(usual.bitsPerDimension - flow) < 1e-4, `${usual.bitsPerDimension}`)
  // What is left of the data at t = 1 is 0.7 %.
  t.ok(Math.abs(usual.bitsPerDimension - density) < 0.01, `${usual.bitsPerDimension} of ${density}`)
  t.ok(usual.evaluations < 300, `${usual.evaluations} evaluations`)
  const far = image.map((value) => value + 1)
  const farther = await bitsPerDimension(gaussian, sde, far, ones, likelihoodDefaults)
  t.ok(Math.abs(farther.bitsPerDimension - gaussianBits(far, mean, variance)) < 0.05 && farther.bitsPerDimension > usual.bitsPerDimension)
})

t.test('whole labels: nearly the same value for many more evaluations', async (t) => {
  const { alphasCumprod } = makeSchedule(diffusion)
  const labels = new Set<number>()
  const discrete = gaussianNoise((label) => {
    labels.add(label)
    return alphasCumprod[label]
  })
  const whole = await bitsPerDimension(discrete, forwardSde(diffusion, 'integer'), image, ones, likelihoodDefaults)
  t.ok([...labels].every(Number.isInteger) && labels.has(999))
  t.ok(Math.abs(whole.bitsPerDimension - gaussianBits(image, mean, variance)) < 0.03, `${whole.bitsPerDimension}`)
  const smooth = await bitsPerDimension(gaussian, sde, image, ones, likelihoodDefaults)
  t.ok(whole.evaluations > 2 * smooth.evaluations, `${whole.evaluations} and ${smooth.evaluations}`)
})

t.test('a model that is broken has no likelihood, and does not hold up the run', async (t) => {
  const broken: NoiseField = async (x) => ({ epsilon: x.map(() => Number.NaN), products: ones })
  t.same(await bitsPerDimension(broken, sde, image, ones, likelihoodDefaults), { bitsPerDimension: Number.NaN, evaluations: 2 })
  const wild: NoiseField = async (x) => ({ epsilon: x.map((value) => Math.sin(1e6 * value)), products: ones })
  const given = await bitsPerDimension(wild, sde, image, ones, { tolerance: 1e-5, maxEvaluations: 400 })
  t.ok(Number.isNaN(given.bitsPerDimension) && given.evaluations <= 400)
})

t.test('probes are ±1, keyed by seed, image and number', async (t) => {
  const probes = rademacherProbes(7, 3, 4, 5000)
  t.ok(probes.every((value) => Math.abs(value) === 1))
  t.ok(Math.abs(probes.reduce((sum, value) => sum + value, 0)) < 4 * Math.sqrt(20_000))
  t.same(rademacherProbes(7, 3, 1, 5000), probes.subarray(0, 5000), 'the first of several is the only one of one')
  const agreement = (other: Float32Array) => other.reduce((sum, value, i) => sum + value * probes[i], 0) / 5000
  for (const other of [probes.subarray(5000, 10_000), rademacherProbes(8, 3, 1, 5000), rademacherProbes(7, 4, 1, 5000)])
    t.ok(Math.abs(agreement(other)) < 0.06, 'others are independent')
})

t.test('Hutchinson: the trace in the mean, with the variance that is known', async (t) => {
  const n = 5
  const matrix = normals({ seed: 2, purpose: 'noise', step: 0, sample: 0 }, new Float32Array(n * n))
  const count = 8000
  const estimates = Array.from({ length: count }, (_, number) => {
    const v = rademacherProbes(1, number, 1, n)
    const products = v.map((_value, j) => v.reduce((sum, value, i) => sum + value * matrix[i * n + j], 0))
    return traceEstimate(products, v, 1)
  })
  let [trace, spread] = [0, 0]
  for (let i = 0; i < n; i++) {
    trace += matrix[i * n + i]
    for (let j = 0; j < i; j++) spread += (matrix[i * n + j] + matrix[j * n + i]) ** 2
  }
  const average = estimates.reduce((sum, value) => sum + value, 0) / count
  t.ok(Math.abs(average - trace) < 4 * Math.sqrt(spread / count), `${average} of ${trace}`)
  const scatter = estimates.reduce((sum, value) => sum + (value - average) ** 2, 0) / (count - 1)
  t.ok(Math.abs(scatter / spread - 1) < 0.1, `${scatter} of ${spread}`)
})

t.test('many probes: a Gaussian whose coordinates hang together', async (t) => {
  const [wide, narrow, angle] = [1.2, 0.1, 0.6]
  const [c, s] = [Math.cos(angle), Math.sin(angle)]
  const turn = (x: ArrayLike<number>) => [c * x[0] + s * x[1], -s * x[0] + c * x[1]]
  const turnBack = (x: ArrayLike<number>) => [c * x[0] - s * x[1], s * x[0] + c * x[1]]
  const probes = rademacherProbes(4, 0, 2000, 2)
  const turned = gaussianPlane([wide, narrow])
  const field: NoiseField = async (x, label) => {
    const slope = turned(label)
    const along = (v: ArrayLike<number>) => turnBack(turn(v).map((one, i) => one * slope[i]))
    const products = Array.from({ length: 2000 }, (_, k) => along(probes.subarray(2 * k, 2 * k + 2))).flat()
    return { epsilon: along(x), products }
  }
  const { bitsPerDimension: bits } = await bitsPerDimension(field, sde, [0.5, 0.9], probes, likelihoodDefaults)
  const density = gaussianBits(turn([0.5, 0.9]), [0, 0], [wide, narrow])
  t.ok(Math.abs(bits - density) < 0.05, `${bits} of ${density}`)
  const one = await bitsPerDimension(
    async (x, label) => {
      const answer = await field(x, label)
      return { ...answer, products: Array.from(answer.products).slice(0, 2) }
    },
    sde,
    [0.5, 0.9],
    probes.subarray(0, 2),
    likelihoodDefaults,
  )
  t.ok(Math.abs(one.bitsPerDimension - density) > 0.2, `one probe is far off: ${one.bitsPerDimension}`)
})

/** Slope of ε along the axes of a centred Gaussian, for a label. */
function gaussianPlane(variances: readonly number[]): (label: number) => number[] {
  return (label) => {
    const square = signalSquare(label / 999)
    return variances.map((one) => Math.sqrt(1 - square) / (square * one + 1 - square))
  }
}

/** A network that is linear in x: the exact ε of one Gaussian per class, [1, 2, 3]. Parameters: means [2, 6] and variances [6]. */
const linearModel: NoiseModel = {
  specs: [
    { name: 'mean', shape: [2, 6], kind: 'embedding', fanIn: 1 },
    { name: 'variance', shape: [6], kind: 'weight', fanIn: 1 },
  ],
  imageShape: [1, 2, 3],
  isConditional: true,
  views: (flat) => [
    { name: 'mean', shape: [2, 6], data: flat.subarray(0, 12) },
    { name: 'variance', shape: [6], data: flat.subarray(12) },
  ],
  predictor: (p: TensorMap) => (x, label, classes) => {
    const time = tf.mul(tf.reshape(label, [-1, 1, 1, 1]), 1 / 999)
    // 1 − e^(−z) as 2u / (1 + u), u = tanh(z/2): float32 is enough for it.
    const u = tf.tanh(tf.mul(0.5, tf.add(tf.mul(time, 0.1), tf.mul(tf.square(time), 9.95))))
    const noise = tf.div(tf.mul(2, u), tf.add(1, u))
    const square = tf.sub(1, noise)
    const ofClass = tf.reshape(tf.gather(p.mean, classes as tf.Tensor1D), x.shape)
    const spread = tf.add(tf.mul(square, tf.reshape(p.variance, [1, 1, 2, 3])), noise)
    return tf.div(tf.mul(tf.sqrt(noise), tf.sub(x, tf.mul(tf.sqrt(square), ofClass))), spread)
  },
}

t.test('through the engine: a linear network, under either class', async (t) => {
  const other = mean.map((value) => value - 0.8)
  const parameters = Float32Array.from([...mean, ...other, ...variance])
  const program = await NoiseProgram.compile(await openEngine({ name: 'onnx', threads: 1 }), linearModel, { probes: 2 })
  let evaluations = 0
  const context = { program, parameters, diffusion, seed: 5, options: likelihoodDefaults, onProgress: () => void evaluations++ }
  const ask = (number: number, classOf: number) => imageLikelihood(context, { image: Float32Array.from(image), number, classOf })
  const own = await ask(0, 0)
  t.equal(own.evaluations, evaluations, 'each evaluation is a sign of life')
  const reference = await bitsPerDimension(gaussian, sde, Float32Array.from(image), ones, likelihoodDefaults)
  t.ok(Math.abs(own.bitsPerDimension - reference.bitsPerDimension) < 1e-4, `${own.bitsPerDimension}`)
  const foreign = await ask(0, 1)
  const density = gaussianBits(image, other, variance)
  t.ok(Math.abs(foreign.bitsPerDimension - density) < 0.05, `${foreign.bitsPerDimension} of ${density}`)
  t.same(await ask(0, 0), own, 'asked again, the same bits')
  program.dispose()
})

t.test('through the engine: products of a real network with the probe are its directional derivatives', async (t) => {
  const folder = fileURLToPath(new URL('../../golden/unet2d-class/', import.meta.url))
  const files = ['config.json', 'diffusion_pytorch_model.safetensors'].map((path) => ({ path, bytes: readFileSync(folder + path) }))
  const { model, parameters } = Model.load(files)
  const program = await NoiseProgram.compile(await openEngine({ name: 'onnx', threads: 1 }), model, { probes: 2 })
  const elements = model.imageShape.reduce((product, n) => product * n, 1)
  const probes = rademacherProbes(1, 0, 2, elements)
  const field = program.field(parameters, probes, 3)
  const draw = (sample: number) => Float64Array.from(normals({ seed: 1, purpose: 'noise', step: 0, sample }, new Float32Array(elements)))
  const [x, direction] = [draw(0), draw(1)]
  const step = 0.02
  const at = (scale: number) =>
    field(
      x.map((value, i) => value + scale * direction[i]),
      400.5,
    )
  const [here, ahead, behind] = [await at(0), await at(step), await at(-step)]
  for (const probe of [0, 1]) {
    let [product, difference] = [0, 0]
    for (let i = 0; i < elements; i++) {
      product += here.products[probe * elements + i] * direction[i]
      difference += (probes[probe * elements + i] * (ahead.epsilon[i] - behind.epsilon[i])) / (2 * step)
    }
    t.ok(Math.abs(product / difference - 1) < 0.01, `${product} of ${difference}`)
  }
  t.ok(relativeError(Array.from(here.epsilon).slice(elements), Array.from(here.epsilon).slice(0, elements)) < 1e-5, 'rows are copies')
  const otherClass = await program.field(parameters, probes, 4)(x, 400.5)
  t.ok(relativeError(Array.from(otherClass.epsilon), Array.from(here.epsilon)) > 1e-3, 'the class counts')
  program.dispose()
})
