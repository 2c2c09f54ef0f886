import type { MethodName } from '../../../protocol/methods/index.ts'
import { elements, original, rows, theta, values } from './toy.ts'

/* The losses of docs/methods.md written once more by hand, in float64 and element by element, as functions of four parameters. */

type Parameters = ArrayLike<number>
/** The value at element i of a batch, which lies in that row. */
type Point = (i: number, row: number) => number
type Classes = Int32Array | null
type Formula = (p: Parameters, hasClasses: boolean) => number

export interface Formulas {
  name: MethodName
  options: object
  losses: Record<string, Formula>
  /** Passes through the network for one micro-batch. */
  forwards: number
}

const { x, a, noise, alternative, t, signal, sigma, coin, uniform, xClass, aClass, otherClass, nullClass } = values

/** ε_θ at the point m. */
const predicted = (p: Parameters, m: Point, classes: Classes): Point => {
  return (i, row) => {
    const at = m(i, row)
    return p[0] * Math.tanh(at) + p[1] * at + (p[2] * t[row]) / 1000 + (classes ? (p[3] * classes[row] * at) / 10 : 0)
  }
}

/** Σ over rows and elements of weight·(target − predicted)². */
function squares(target: Point, prediction: Point, weight: (row: number) => number = () => 1): number {
  let sum = 0
  for (let i = 0; i < rows * elements; i++) {
    const row = Math.floor(i / elements)
    sum += weight(row) * (target(i, row) - prediction(i, row)) ** 2
  }
  return sum
}

const noised =
  (clean: ArrayLike<number>): Point =>
  (i, row) =>
    signal[row] * clean[i] + sigma[row] * noise[i]
const trueNoise: Point = (i) => noise[i]
const ofClass = (classes: Int32Array, hasClasses: boolean): Classes => (hasClasses ? classes : null)

/** ‖ε − ε_θ(clean_t, c)‖² */
const epsilon =
  (clean: ArrayLike<number>, classes: Int32Array): Formula =>
  (p, hasClasses) =>
    squares(trueNoise, predicted(p, noised(clean), ofClass(classes, hasClasses)))
const keep = epsilon(x, xClass)

/** ‖target − ε_θ(a_t, c_f)‖² */
const towards =
  (target: Point): Formula =>
  (p, hasClasses) =>
    squares(target, predicted(p, noised(a), ofClass(aClass, hasClasses)))
const swapped = towards(predicted(theta, noised(a), otherClass))

function away(eta: number): Point {
  const [guided, free] = [aClass, nullClass].map((classes) => predicted(original, noised(a), classes))
  return (i, row) => free(i, row) - eta * (guided(i, row) - free(i, row))
}

const times =
  (factor: number, formula: Formula): Formula =>
  (...args) =>
    factor * formula(...args)

const takesX = (row: number, lambda: number) => coin[row] >= lambda
const mixed =
  (lambda: number): Point =>
  (i, row) =>
    noised(takesX(row, lambda) ? x : a)(i, row)

/** Importance weights by the densities themselves. */
const mixture =
  (lambda: number, side: 'x' | 'a'): Formula =>
  (p) => {
    const m = mixed(lambda)
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
    return squares((i, row) => (m(i, row) - signal[row] * clean[i]) / sigma[row], predicted(p, m, null), weight)
  }

const byCoin =
  (lambda: number, side: 'x' | 'a'): Formula =>
  (p) =>
    squares(trueNoise, predicted(p, mixed(lambda), null), (row) => {
      if (side === 'a') return takesX(row, lambda) ? 0 : 1
      return takesX(row, lambda) ? 1 / (1 - lambda) : 0
    })

const surrogate = Float64Array.from(uniform, (value) => 2 * value - 1)

export const formulas: Formulas[] = [
  { name: 'denoise', options: {}, losses: { keep: times(1 / elements, keep) }, forwards: 1 },
  { name: 'dimra', options: {}, losses: { keep: times(1 / elements, keep) }, forwards: 1 },
  { name: 'naive', options: {}, losses: { keep }, forwards: 1 },
  { name: 'neggrad', options: {}, losses: { forget: epsilon(a, aClass) }, forwards: 1 },
  { name: 'neggrad-plus', options: {}, losses: { keep, forget: epsilon(a, aClass) }, forwards: 2 },
  { name: 'siss-no-is', options: {}, losses: { keep, forget: epsilon(a, aClass) }, forwards: 2 },
  ...[0.25, 0.5, 0.75].flatMap((lambda): Formulas[] => [
    { name: 'siss', options: { lambda }, losses: { keep: mixture(lambda, 'x'), forget: mixture(lambda, 'a') }, forwards: 1 },
    { name: 'siss-bernoulli', options: { lambda }, losses: { keep: byCoin(lambda, 'x'), forget: byCoin(lambda, 'a') }, forwards: 1 },
  ]),
  { name: 'erasediff', options: {}, losses: { keep, forget: towards((i) => uniform[i]) }, forwards: 2 },
  { name: 'erasediff', options: { target: 'random-label' }, losses: { keep, forget: swapped }, forwards: 3 },
  { name: 'random-label', options: {}, losses: { keep, forget: swapped }, forwards: 3 },
  { name: 'salun', options: {}, losses: { keep, forget: times(1 / elements, swapped) }, forwards: 3 },
  { name: 'dimum', options: {}, losses: { keep, alternative: epsilon(alternative, aClass) }, forwards: 2 },
  { name: 'selective-amnesia', options: {}, losses: { keep, forget: epsilon(surrogate, aClass) }, forwards: 2 },
  ...[0, 1, 2.5].map((eta): Formulas => ({ name: 'esd', options: { eta }, losses: { forget: towards(away(eta)) }, forwards: 3 })),
]
