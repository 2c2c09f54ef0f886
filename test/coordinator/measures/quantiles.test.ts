import t from 'tap'
import { intervalOfMean, mean, standardErrorOf, studentInterval } from '../../../coordinator/measures/means.ts'
import { normalQuantile, studentQuantile } from '../../../coordinator/measures/quantiles.ts'

/** P(|T| < t) for whole degrees of freedom, a finite sum (Abramowitz & Stegun 26.7.3 and 26.7.4). */
function within(t: number, degrees: number): number {
  const angle = Math.atan(t / Math.sqrt(degrees))
  const [sine, square] = [Math.sin(angle), Math.cos(angle) ** 2]
  let [sum, term] = [0, degrees % 2 === 0 ? 1 : Math.cos(angle)]
  for (let k = degrees % 2 === 0 ? 1 : 2; k < degrees; k += 2) {
    sum += term
    term *= (square * k) / (k + 1)
  }
  return degrees % 2 === 0 ? sine * sum : (2 / Math.PI) * (angle + sine * sum)
}

t.test('Student’s quantile holds 95 % by the closed form of the distribution', async (t) => {
  const worst = Math.max(...Array.from({ length: 300 }, (_, i) => Math.abs(within(studentQuantile(i + 1), i + 1) - 0.95)))
  t.ok(worst < 3e-6, `off by ${worst} at most`)
  t.ok(Math.abs(studentQuantile(1e9) - normalQuantile) < 1e-8)
  t.equal(studentQuantile(0), Number.POSITIVE_INFINITY)
})

t.test('the interval of a mean', async (t) => {
  const values = [2, 4, 9]
  t.equal(mean(values), 5)
  // s² = (9 + 1 + 16)/2 = 13
  t.ok(Math.abs(standardErrorOf(values) - Math.sqrt(13 / 3)) < 1e-12)
  const [low, high] = intervalOfMean(values) ?? []
  t.ok(Math.abs((high ?? 0) - (5 + 4.30265 * Math.sqrt(13 / 3))) < 1e-12)
  t.ok(Math.abs((low ?? 0) + (high ?? 0) - 10) < 1e-12)
  for (const nothing of [[], [1], [1, Number.NaN], [1, Number.POSITIVE_INFINITY]]) t.equal(intervalOfMean(nothing), null)
  t.equal(studentInterval(null, 1, 5), null)
  t.equal(studentInterval(1, null, 5), null)
})
