import t from 'tap'
import { type Derivative, integrate } from '../../../worker/metrics/runge-kutta.ts'

const tolerance = (relativeTolerance: number, absoluteTolerance = relativeTolerance, maxEvaluations = 1e6) => ({
  relativeTolerance,
  absoluteTolerance,
  maxEvaluations,
})
/** So wide that one step is enough. */
const oneStep = tolerance(0, 1)

const oscillator: Derivative = (_t, [x, v], out) => out.set([v, -x])
const growth: Derivative = (_t, [y], out) => out.set([y])

t.test('closed forms, to the tolerance', async (t) => {
  for (const accuracy of [1e-5, 1e-8, 1e-11]) {
    const { y, outcome } = await integrate(oscillator, Float64Array.of(1, 0), { from: 0, to: 5 }, tolerance(accuracy))
    t.equal(outcome, 'reached')
    t.ok(Math.hypot(y[0] - Math.cos(5), y[1] + Math.sin(5)) < 20 * accuracy, `oscillator, ${accuracy}`)
    const forced: Derivative = (time, [one], out) => out.set([-2 * one + Math.cos(time)])
    const solution = (time: number) => (2 * Math.cos(time) + Math.sin(time)) / 5 + 0.6 * Math.exp(-2 * time)
    const { y: driven } = await integrate(forced, Float64Array.of(solution(1)), { from: 1, to: 4 }, tolerance(accuracy))
    t.ok(Math.abs(driven[0] - solution(4)) < 20 * accuracy, `driven, ${accuracy}`)
  }
})

t.test('it is of order 5: exact for polynomials up to t⁵, and the error of one step falls with h⁶', async (t) => {
  const power = (degree: number) =>
    integrate((time, _y, out) => void out.fill(time ** degree), Float64Array.of(1), { from: 0.5, to: 0.8 }, oneStep)
  for (const degree of [0, 1, 2, 3, 4]) {
    const { y, evaluations } = await power(degree)
    t.equal(evaluations, 8, 'two before the first step, six in it')
    t.ok(Math.abs(y[0] - 1 - (0.8 ** (degree + 1) - 0.5 ** (degree + 1)) / (degree + 1)) < 1e-15, `t^${degree}`)
  }
  const error = async (h: number) => (await integrate(growth, Float64Array.of(1), { from: 0, to: h }, oneStep)).y[0] - Math.exp(h)
  const ratio = (await error(0.2)) / (await error(0.1))
  t.ok(Math.log2(ratio) > 5.8 && Math.log2(ratio) < 6.4, `order ${Math.log2(ratio)}`)
})

t.test('ten times as many steps buy five digits', async (t) => {
  const cost = async (accuracy: number) =>
    (await integrate(oscillator, Float64Array.of(1, 0), { from: 0, to: 20 }, tolerance(accuracy))).evaluations
  const ratio = (await cost(1e-11)) / (await cost(1e-6))
  t.ok(ratio > 8 && ratio < 12, `${ratio}`)
})

t.test('the steps of scipy 1.17, solve_ivp with RK45', async (t) => {
  const lotkaVolterra: Derivative = (_t, [x, y], out) => out.set([x * (1.5 - y), y * (x - 3)])
  const vanDerPol: Derivative = (_t, [x, v], out) => out.set([v, 5 * (1 - x * x) * v - x])
  const jump: Derivative = (time, _y, out) => out.set([time < 0.5 ? 0 : 1])
  const cases: [Derivative, number, number[], ReturnType<typeof tolerance>, number, number[]][] = [
    [oscillator, 20, [1, 0], tolerance(1e-5), 284, [0.40799282252507607, -0.912906554233313]],
    [lotkaVolterra, 15, [10, 5], tolerance(1e-6, 1e-8), 1376, [0.713737520824957, 0.07540895819317515]],
    [vanDerPol, 20, [2, 0], tolerance(1e-4, 1e-6), 974, [-1.601516774376487, 0.19828099211244885]],
    [jump, 1, [0], tolerance(1e-6), 200, [0.5000170087806936]],
    [(_t, _y, out) => void out.fill(0), 1, [0], tolerance(1e-6), 44, [0]],
  ]
  for (const [derivative, to, initial, options, evaluations, expected] of cases) {
    const result = await integrate(derivative, Float64Array.from(initial), { from: 0, to }, options)
    t.equal(result.evaluations, evaluations)
    expected.forEach((value, i) => {
      t.ok(Math.abs(result.y[i] - value) < 1e-9, `${result.y[i]} of ${value}`)
    })
  }
})

t.test('a derivative may be a promise, and the initial state is left as it is', async (t) => {
  const initial = Float64Array.of(1, 0)
  const slow: Derivative = async (time, y, out) => {
    await new Promise(setImmediate)
    oscillator(time, y, out)
  }
  const one = await integrate(slow, initial, { from: 0, to: 3 }, tolerance(1e-6))
  t.same([...initial], [1, 0])
  const other = await integrate(oscillator, initial, { from: 0, to: 3 }, tolerance(1e-6))
  t.same([...one.y], [...other.y])
})

t.test('it gives up: a solution that ends, a slope that is not finite, too long a way', async (t) => {
  const explosion = await integrate((_t, [y], out) => out.set([y * y]), Float64Array.of(1), { from: 0, to: 2 }, tolerance(1e-6))
  t.equal(explosion.outcome, 'stuck')
  const broken: Derivative = (time, _y, out) => out.set([time < 0.5 ? 1 : Number.NaN])
  t.equal((await integrate(broken, Float64Array.of(0), { from: 0, to: 1 }, tolerance(1e-6))).outcome, 'stuck')
  t.equal(
    (await integrate((_t, _y, out) => void out.fill(Number.NaN), Float64Array.of(0), { from: 0, to: 1 }, tolerance(1e-6))).evaluations,
    2,
  )
  const long = await integrate(oscillator, Float64Array.of(1, 0), { from: 0, to: 1e6 }, tolerance(1e-6, 1e-6, 500))
  t.equal(long.outcome, 'too-many-evaluations')
  t.ok(long.evaluations <= 500 && long.evaluations > 490)
})
