/** dy/dt at (t, y), into `out`. */
export type Derivative = (t: number, y: Float64Array, out: Float64Array) => void | Promise<void>

export interface IntegrationOptions {
  /** A step is taken when the root mean square of error / (absolute + relative · |y|) is below 1. */
  relativeTolerance: number
  absoluteTolerance: number
  /** Evaluations of the derivative after which the integration is given up. */
  maxEvaluations: number
}

export interface Integration {
  /** State at the end, or as far as it came. */
  y: Float64Array
  evaluations: number
  /** 'stuck': the step became smaller than the spacing of floats, as where the derivative is not finite. */
  outcome: 'reached' | 'stuck' | 'too-many-evaluations'
}

/** Dormand & Prince 1980, table 2: RK5(4)7M. Row i gives stage i from those before; the last row is also the 5th-order solution. */
const nodes = [0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1, 1] as const
const stages = [
  [],
  [1 / 5],
  [3 / 40, 9 / 40],
  [44 / 45, -56 / 15, 32 / 9],
  [19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729],
  [9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656],
  [35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84],
] as const
/** 4th-order solution minus 5th-order solution. */
const errorWeights = [-71 / 57600, 0, 71 / 16695, -71 / 1920, 17253 / 339200, -22 / 525, 1 / 40] as const
const last = stages.length - 1

const safety = 0.9
const smallestFactor = 0.2
const largestFactor = 10
/** Of t: ten times the spacing of floats. */
const smallestStep = 10 * Number.EPSILON
/** −1 / (order of the error estimate + 1) */
const exponent = -1 / 5

/**
 * Integrates y from `from` up to `to` > `from` with the adaptive Dormand–Prince method of order 5(4), in float64, going on from the
 * solution of order 5. Step control is that of Hairer, Nørsett & Wanner (Solving Ordinary Differential Equations I, §II.4) with the
 * constants of scipy's RK45, so that it takes the same steps. `initial` is left as it is.
 */
export async function integrate(
  derivative: Derivative,
  initial: Float64Array,
  { from, to }: { from: number; to: number },
  options: IntegrationOptions,
): Promise<Integration> {
  const size = initial.length
  const slopes = stages.map(() => new Float64Array(size))
  let y = initial.slice()
  let next = new Float64Array(size)
  let evaluations = 0
  const evaluate: Derivative = (t, at, out) => {
    evaluations += 1
    return derivative(t, at, out)
  }
  let t = from
  await evaluate(t, y, slopes[0])
  let step = await firstStep(evaluate, { t, y, slope: slopes[0], range: to - from }, options)
  let wasRejected = false
  while (t < to) {
    // Also where the step is not a number.
    if (!(step > smallestStep * Math.abs(t))) return { y, evaluations, outcome: 'stuck' }
    if (evaluations + last > options.maxEvaluations) return { y, evaluations, outcome: 'too-many-evaluations' }
    const end = Math.min(t + step, to)
    step = end - t
    for (let stage = 1; stage <= last; stage++) {
      combine(y, slopes, stages[stage], step, next)
      await evaluate(stage === last ? end : t + nodes[stage] * step, next, slopes[stage])
    }
    const error = errorNorm(y, next, slopes, step, options)
    // An error that is not finite is refused too.
    if (!(error < 1)) {
      step *= Number.isFinite(error) ? Math.max(smallestFactor, safety * error ** exponent) : smallestFactor
      wasRejected = true
      continue
    }
    t = end
    ;[y, next] = [next, y]
    // The last stage is the first one of the next step.
    ;[slopes[0], slopes[last]] = [slopes[last], slopes[0]]
    const factor = error === 0 ? largestFactor : Math.min(largestFactor, safety * error ** exponent)
    step *= wasRejected ? Math.min(1, factor) : factor
    wasRejected = false
  }
  return { y, evaluations, outcome: 'reached' }
}

/** out = y + step · Σ weight · slope */
function combine(y: Float64Array, slopes: readonly Float64Array[], weights: readonly number[], step: number, out: Float64Array): void {
  out.set(y)
  for (const [k, weight] of weights.entries()) {
    if (weight === 0) continue
    const slope = slopes[k]
    const factor = step * weight
    for (let i = 0; i < out.length; i++) out[i] += factor * slope[i]
  }
}

function errorNorm(
  y: Float64Array,
  next: Float64Array,
  slopes: readonly Float64Array[],
  step: number,
  { absoluteTolerance, relativeTolerance }: IntegrationOptions,
): number {
  let sum = 0
  for (let i = 0; i < y.length; i++) {
    let error = 0
    for (let k = 0; k < errorWeights.length; k++) error += errorWeights[k] * slopes[k][i]
    sum += ((step * error) / (absoluteTolerance + relativeTolerance * Math.max(Math.abs(y[i]), Math.abs(next[i])))) ** 2
  }
  return Math.sqrt(sum / y.length)
}

/** The first step by one trial step of Euler's method (Hairer, Nørsett & Wanner, §II.4). Costs one evaluation. */
async function firstStep(
  evaluate: Derivative,
  { t, y, slope, range }: { t: number; y: Float64Array; slope: Float64Array; range: number },
  { absoluteTolerance, relativeTolerance }: IntegrationOptions,
): Promise<number> {
  const norm = (value: (i: number) => number) => {
    let sum = 0
    for (let i = 0; i < y.length; i++) sum += (value(i) / (absoluteTolerance + relativeTolerance * Math.abs(y[i]))) ** 2
    return Math.sqrt(sum / y.length)
  }
  const d0 = norm((i) => y[i])
  const d1 = norm((i) => slope[i])
  const trial = Math.min(d0 < 1e-5 || d1 < 1e-5 ? 1e-6 : (0.01 * d0) / d1, range)
  const there = y.map((value, i) => value + trial * slope[i])
  const slopeThere = new Float64Array(y.length)
  await evaluate(t + trial, there, slopeThere)
  const d2 = norm((i) => slopeThere[i] - slope[i]) / trial
  const step = d1 <= 1e-15 && d2 <= 1e-15 ? Math.max(1e-6, trial * 1e-3) : (0.01 / Math.max(d1, d2)) ** (1 / 5)
  return Math.min(100 * trial, step, range)
}
