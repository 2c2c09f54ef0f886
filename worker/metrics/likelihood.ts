import * as tf from '@tensorflow/tfjs'
import { LetheError } from '../../protocol/errors.ts'
import type { Job } from '../../protocol/job.ts'
import { Words } from '../../protocol/random.ts'
import { makeSchedule } from '../diffusion/schedule.ts'
import type { Engine, HostTensorMap, Program, Signature, TensorMap } from '../engine/engine.ts'
import type { Model } from '../model.ts'
import { integrate } from './runge-kutta.ts'

export interface LikelihoodOptions {
  /** Rademacher probes, whose estimates of the divergence are averaged. */
  probes: number
  /**
   * What a network that was trained at whole times 0 .. T−1 is told at a time t in [0,1]. 'continuous': (T−1)·t as it is, with the
   * noise level of the SDE at t. 'integer': floor((T−1)·t), with the noise level that the network was trained with there; the
   * right-hand side then jumps T−1 times, and the integrator takes more steps to get over that.
   */
  label: 'continuous' | 'integer'
  /** Relative and absolute, of a step. */
  tolerance: number
  /** Evaluations of the network after which an image is given up. */
  maxEvaluations: number
}

/**
 * Probes and tolerance are those of the SISS evaluation, which takes the code of Song et al. 2021. That code has both labels; which of them
 * the published values used is not said. It has no limit of evaluations.
 */
export const likelihoodDefaults: LikelihoodOptions = { probes: 1, label: 'continuous', tolerance: 1e-5, maxEvaluations: 10_000 }

export interface Likelihood {
  /** Negative log-likelihood in bits per dimension: the higher, the less likely. NaN where the integration was given up. */
  bitsPerDimension: number
  /** Evaluations of the network and of its gradient, each on `probes` rows. */
  evaluations: number
}

/** ε_θ of one image x, [elements], and vᵀ·∂ε_θ/∂x of every probe v, [probes, elements]. */
export type NoiseField = (x: Float64Array, label: number) => Promise<{ epsilon: ArrayLike<number>; products: ArrayLike<number> }>

/** dx = −½·β(t)·x dt + √β(t) dw on t in [0,1] (Song et al. 2021, equation 11), and how a discrete network is asked about time t. */
export interface ForwardSde {
  beta(t: number): number
  level(t: number): { label: number; std: number }
}

/** Integration starts here instead of at 0, where the score has no bound. */
const startTime = 1e-5

/** Bits from a density on [−1,1] to the mass of one of 256 levels: log₂ 128. */
const levelBits = 7

/**
 * The SDE whose discretisation in T steps is the job's schedule: β(t) = T·(betaStart + t·(betaEnd − betaStart)), 0.1 to 20 by default.
 *
 * @throws LetheError JOB_INVALID where the schedule is not linear.
 */
export function forwardSde(diffusion: Job['diffusion'], label: LikelihoodOptions['label']): ForwardSde {
  const { timesteps, betaSchedule } = diffusion
  if (betaSchedule !== 'linear')
    throw new LetheError('JOB_INVALID', {
      message: 'the likelihood is defined for the linear schedule',
      expected: 'diffusion.betaSchedule linear',
      received: betaSchedule,
    })
  const [first, last] = [timesteps * diffusion.betaStart, timesteps * diffusion.betaEnd]
  const { noise } = makeSchedule(diffusion)
  return {
    beta: (t) => first + t * (last - first),
    level(t) {
      const time = t * (timesteps - 1)
      if (label === 'integer') return { label: Math.floor(time), std: noise[Math.floor(time)] }
      // 1 − exp(−∫₀ᵗ β), without cancellation at small t
      return { label: time, std: Math.sqrt(-Math.expm1(-t * (first + (t * (last - first)) / 2))) }
    },
  }
}

/** The probes of an image, ±1, [probes, elements], keyed by (seed, number of the image, number of the probe). */
export function rademacherProbes(seed: number, number: number, probes: number, elements: number): Float32Array {
  const out = new Float32Array(probes * elements)
  for (let probe = 0; probe < probes; probe++) {
    const words = new Words({ seed, purpose: 'likelihood_probe', step: probe, sample: number })
    for (let i = 0; i < elements; i++) out[probe * elements + i] = words.next() >>> 31 === 0 ? 1 : -1
  }
  return out
}

/** Hutchinson's estimate of the trace of J: the mean over probes of vᵀ·J·v, from products vᵀ·J. Both are [probes, elements]. */
export function traceEstimate(products: ArrayLike<number>, probes: Float32Array, count: number): number {
  let sum = 0
  for (let i = 0; i < probes.length; i++) sum += products[i] * probes[i]
  return sum / count
}

/**
 * Negative log-likelihood of one image in [−1,1] under the probability-flow ODE dx/dt = −½·β·x + ½·β·ε_θ/std (Song et al. 2021, equation
 * 13 and appendix D.2, with score −ε_θ/std), without dequantisation noise:
 *
 *   −(log N(x(1); 0, I) + ∫ divergence dt) / (elements · ln 2) + 7
 *
 * The image and the integral are one state, in float64. One image at a time, because each has steps of its own: so its value does not
 * depend on what else is measured. A discrete network knows the SDE only nearly, so the values are comparable with each other rather
 * than exact.
 */
export async function bitsPerDimension(
  field: NoiseField,
  sde: ForwardSde,
  image: ArrayLike<number>,
  probes: Float32Array,
  { tolerance, maxEvaluations }: Pick<LikelihoodOptions, 'tolerance' | 'maxEvaluations'>,
): Promise<Likelihood> {
  const elements = image.length
  const initial = new Float64Array(elements + 1)
  initial.set(image)
  const { y, evaluations, outcome } = await integrate(
    async (t, state, out) => {
      const { label, std } = sde.level(t)
      const half = sde.beta(t) / 2
      const { epsilon, products } = await field(state.subarray(0, elements), label)
      for (let i = 0; i < elements; i++) out[i] = half * (epsilon[i] / std - state[i])
      out[elements] = half * (traceEstimate(products, probes, probes.length / elements) / std - elements)
    },
    initial,
    { from: startTime, to: 1 },
    { relativeTolerance: tolerance, absoluteTolerance: tolerance, maxEvaluations },
  )
  if (outcome !== 'reached') return { bitsPerDimension: Number.NaN, evaluations }
  let square = 0
  for (let i = 0; i < elements; i++) square += y[i] * y[i]
  const logDensity = -(square + elements * Math.log(2 * Math.PI)) / 2 + y[elements]
  return { bitsPerDimension: -logDensity / (elements * Math.LN2) + levelBits, evaluations }
}

/** What is asked of a network here. */
export type NoiseModel = Pick<Model, 'specs' | 'imageShape' | 'isConditional' | 'predictor' | 'views'>

/** ε_θ and its products with probes as one compiled program, one row for each probe. */
export class NoiseProgram {
  readonly probes: number
  readonly #program: Program
  readonly #model: NoiseModel

  private constructor(program: Program, model: NoiseModel, probes: number) {
    this.#program = program
    this.#model = model
    this.probes = probes
  }

  static async compile(engine: Engine, model: NoiseModel, { probes }: { probes: number }): Promise<NoiseProgram> {
    const shape = [probes, ...model.imageShape]
    const signature: Signature = Object.fromEntries(model.specs.map((spec) => [spec.name, { shape: spec.shape }]))
    if (model.isConditional) signature['in:c'] = { shape: [probes], dtype: 'int32' }
    const step = (tensors: TensorMap) => {
      const { 'in:x': x, 'in:t': t, 'in:v': v, 'in:c': c } = tensors
      const predict = model.predictor(tensors)
      const along = (image: tf.Tensor) => tf.sum(tf.mul(predict(image, t, c), v)) as tf.Scalar
      return { epsilon: predict(x, t, c), products: tf.grad(along)(x) }
    }
    const program = await engine.compile(step, { ...signature, 'in:x': { shape }, 'in:t': { shape: [probes] }, 'in:v': { shape } })
    return new NoiseProgram(program, model, probes)
  }

  /** `classOf` is the condition of a class-conditional network: the likelihood is that under it, without guidance. */
  field(parameters: Float32Array, probes: Float32Array, classOf: number | undefined): NoiseField {
    const shape = [this.probes, ...this.#model.imageShape]
    const fixed: HostTensorMap = { 'in:v': { shape, data: probes } }
    if (classOf !== undefined) fixed['in:c'] = { shape: [this.probes], data: new Int32Array(this.probes).fill(classOf) }
    for (const { name, shape: own, data } of this.#model.views(parameters)) fixed[name] = { shape: own, data }
    return async (x, label) => {
      const images = new Float32Array(this.probes * x.length)
      for (let row = 0; row < this.probes; row++) images.set(x, row * x.length)
      const times = new Float32Array(this.probes).fill(label)
      const { epsilon, products } = await this.#program.run({
        ...fixed,
        'in:x': { shape, data: images },
        'in:t': { shape: [this.probes], data: times },
      })
      return { epsilon: epsilon.data, products: products.data }
    }
  }

  dispose(): void {
    this.#program.dispose()
  }
}

export interface LikelihoodContext {
  program: NoiseProgram
  parameters: Float32Array
  diffusion: Job['diffusion']
  seed: number
  options: Omit<LikelihoodOptions, 'probes'>
  /** Called after each evaluation of the network, so that long work shows as alive. */
  onProgress(): void
}

/**
 * Of one image [C·H·W] in [−1,1]. Its `number` names its probes: the same answer from any worker. `classOf` is its class, where the
 * model has classes.
 */
export function imageLikelihood(
  { program, parameters, diffusion, seed, options, onProgress }: LikelihoodContext,
  { image, number, classOf }: { image: Float32Array; number: number; classOf: number | undefined },
): Promise<Likelihood> {
  const probes = rademacherProbes(seed, number, program.probes, image.length)
  const field = program.field(parameters, probes, classOf)
  const watched: NoiseField = async (x, label) => {
    const answer = await field(x, label)
    onProgress()
    return answer
  }
  return bitsPerDimension(watched, forwardSde(diffusion, options.label), image, probes, options)
}
