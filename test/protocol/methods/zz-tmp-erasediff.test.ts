import fcx from 'fast-check'
fcx.configureGlobal({ numRuns: 30000 })
import fc from 'fast-check'
import t from 'tap'
import { erasediff } from '../../../protocol/methods/erasediff.ts'

const dot = (one: readonly number[], other: readonly number[]) => one.reduce((sum, value, i) => sum + value * other[i], 0)
const scalarsOf = (keep: readonly number[], forget: readonly number[]) => ({
  keep: { keep: dot(keep, keep), forget: dot(keep, forget) },
  forget: { keep: dot(forget, keep), forget: dot(forget, forget) },
})
const weightOf = (keep: readonly number[], forget: readonly number[], options: object) => {
  const coefficients = erasediff.coefficients(scalarsOf(keep, forget), erasediff.options.parse({ name: 'erasediff', ...options }))
  if (coefficients.keep !== 1) throw new Error('the kept gradient is taken as it is')
  return coefficients.forget
}
const gradient = fc
  .array(fc.double({ min: -100, max: 100, noNaN: true }), { minLength: 3, maxLength: 3 })
  .filter((vector) => dot(vector, vector) > 1e-3)
const rate = fc.double({ min: 1e-3, max: 10, noNaN: true })
const zero = [0, 0]

t.test('makes the forget loss fall at the rate that is asked for, and adds nothing where it falls by itself', async (t) => {
  // g_keep = (1, 0), g_forget = (−1, 1): the direction is (0.4, 0.6), whose product with g_forget is 0.2 = η‖g_forget‖².
  t.ok(Math.abs(weightOf([1, 0], [-1, 1], { eta: 0.1 }) - 0.6) < 1e-12)
  t.equal(weightOf([1, 0], [1, 1], { eta: 0.1 }), 0)
  t.equal(weightOf([1, 0], zero, { eta: 0.1 }), 0)
  t.ok(Math.abs(weightOf([1, 0], [-1, 1], {}) - 0.501) < 1e-12, 'η is 0.001 if not given')
})

t.test('the adaptive weight: ⟨g_forget, δ⟩ ≥ η‖g_forget‖², equal where it is above zero, which it is only where needed', async (t) => {
  const property = fc.property(gradient, gradient, rate, fc.double({ min: 1e-2, max: 100, noNaN: true }), (keep, forget, eta, scale) => {
    const weight = weightOf(keep, forget, { eta })
    const falls = dot(
      forget,
      keep.map((value, i) => value + weight * forget[i]),
    )
    const [target, tolerance] = [eta * dot(forget, forget), 1e-9 * (dot(forget, forget) + dot(keep, keep)) * (1 + eta)]
    const rule = weight > 0 ? Math.abs(falls - target) < tolerance : dot(keep, forget) >= target - tolerance
    // Sums and means differ by one factor in both gradients.
    const scaled = weightOf(
      keep.map((value) => scale * value),
      forget.map((value) => scale * value),
      { eta },
    )
    return falls >= target - tolerance && rule && Math.abs(scaled - weight) <= 1e-9 * (1 + weight)
  })
  fc.assert(property)
  t.pass()
})

t.test('the cosine weight: max(0, η − cos), whatever the norms', async (t) => {
  const weight = { rule: 'cosine' }
  t.ok(Math.abs(weightOf([1, 0], [-1, 1], { eta: 0.1, weight }) - (0.1 + Math.SQRT1_2)) < 1e-12)
  t.equal(weightOf([1, 0], [1, 1], { eta: 0.1, weight }), 0)
  t.equal(weightOf(zero, [1, 1], { eta: 0.1, weight }), 0.1, 'no kept gradient: no angle')
  t.equal(weightOf([1, 0], zero, { eta: 0.1, weight }), 0)
  const huge = weightOf([1e100, 0], [-1e100, 1e100], { eta: 0.1, weight })
  t.ok(Math.abs(huge - 0.1 - Math.SQRT1_2) < 1e-12, 'the product of two norms may be beyond all numbers')
  const length = fc.double({ min: 1e-2, max: 100, noNaN: true })
  const property = fc.property(gradient, gradient, length, rate, (keep, forget, scale, eta) => {
    const longer = forget.map((value) => scale * value)
    return Math.abs(weightOf(keep, forget, { eta, weight }) - weightOf(keep, longer, { eta, weight })) < 1e-9 * (1 + eta)
  })
  fc.assert(property)
})

t.test('a fixed weight', async (t) => {
  t.equal(weightOf([1, 0], [-1, 1], { weight: { rule: 'fixed', lambda: 0.3 } }), 0.3)
  t.equal(weightOf([1, 0], [-1, 1], { weight: { rule: 'fixed' } }), 0.1, 'as in the authors’ DDPM code')
  t.equal(weightOf([1, 0], zero, { weight: { rule: 'fixed' } }), 0)
  t.notOk(erasediff.options.safeParse({ name: 'erasediff', weight: { rule: 'fixed', lambda: -1 } }).success)
  t.notOk(erasediff.options.safeParse({ name: 'erasediff', weight: { rule: 'adaptive', lambda: 1 } }).success)
})
