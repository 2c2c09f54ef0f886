import fc from 'fast-check'
import t from 'tap'
import type { Scalars } from '../../protocol/method.ts'
import { dimum } from '../../protocol/methods/dimum.ts'
import { erasediff } from '../../protocol/methods/erasediff.ts'
import { esd } from '../../protocol/methods/esd.ts'
import { methodOf, methods } from '../../protocol/methods/index.ts'
import { naive } from '../../protocol/methods/naive.ts'
import { neggrad } from '../../protocol/methods/neggrad.ts'
import { neggradPlus } from '../../protocol/methods/neggrad-plus.ts'
import { randomLabel } from '../../protocol/methods/random-label.ts'
import { salun } from '../../protocol/methods/salun.ts'
import { selectiveAmnesia } from '../../protocol/methods/selective-amnesia.ts'
import { siss } from '../../protocol/methods/siss.ts'
import { sissBernoulli } from '../../protocol/methods/siss-bernoulli.ts'
import { sissNoIs } from '../../protocol/methods/siss-no-is.ts'

type Pair = Scalars<'keep' | 'forget'>

const dot = (one: readonly number[], other: readonly number[]) => one.reduce((sum, value, i) => sum + value * other[i], 0)
const scalarsOf = (keep: readonly number[], forget: readonly number[]): Pair => ({
  keep: { keep: dot(keep, keep), forget: dot(keep, forget) },
  forget: { keep: dot(forget, keep), forget: dot(forget, forget) },
})
const directionOf = (keep: readonly number[], forget: readonly number[], by: { keep: number; forget: number }) =>
  keep.map((value, i) => by.keep * value + by.forget * forget[i])

/** Two gradients of a few entries, neither of them zero. */
const gradient = fc
  .array(fc.double({ min: -100, max: 100, noNaN: true }), { minLength: 3, maxLength: 3 })
  .filter((vector) => dot(vector, vector) > 1e-3)
const gradients = fc.tuple(gradient, gradient)
const positive = (max: number) => fc.double({ min: 1e-3, max, noNaN: true })

t.test('every method is found by its name, has channels and refuses options it does not know', async (t) => {
  for (const [name, method] of Object.entries(methods)) {
    t.equal(methodOf(method.name), method, name)
    t.equal(name, method.name)
    t.ok(method.channels.length > 0)
    t.match(method.options.parse({ name }), { name, ...(method.name !== 'classify' && { timesteps: [0, 999] }) }, 'defaults')
    t.notOk(method.options.safeParse({ name, nonsense: 1 }).success)
    t.notOk(method.options.safeParse({ name, timesteps: [5, 2] }).success)
    t.notOk(method.options.safeParse({ name, timesteps: [0, 1000] }).success)
  }
})

t.test('which methods fit which models', async (t) => {
  const conditioning = (name: keyof typeof methods, options: object = {}) => {
    const method = methodOf(name)
    return method.conditioning?.(method.options.parse({ name, ...options }) as never) ?? 'either'
  }
  for (const name of ['siss', 'siss-bernoulli'] as const) t.equal(conditioning(name), 'refused', name)
  for (const name of ['random-label', 'salun', 'esd'] as const) t.equal(conditioning(name), 'needed', name)
  for (const name of ['siss-no-is', 'naive', 'neggrad', 'neggrad-plus', 'dimum', 'selective-amnesia'] as const)
    t.equal(conditioning(name), 'either', name)
  t.equal(conditioning('erasediff'), 'either')
  t.equal(conditioning('erasediff', { target: 'random-label' }), 'needed')
})

t.test('the class that takes the place of another', async (t) => {
  const parse = (rule: object) => randomLabel.options.safeParse({ name: 'random-label', substitute: rule }).success
  for (const rule of ['next', 'random', 'batch']) {
    t.ok(parse({ rule }), rule)
    t.notOk(parse({ rule, class: 1 }), 'names no class')
  }
  t.ok(parse({ rule: 'class', class: 3 }))
  t.notOk(parse({ rule: 'class' }))
  t.notOk(parse({ rule: 'class', class: -1 }))
  t.same(randomLabel.options.parse({ name: 'random-label' }).substitute, { rule: 'random' })
  t.same(salun.options.parse({ name: 'salun' }).substitute, { rule: 'next' }, "SalUn's code")
  t.same(erasediff.options.parse({ name: 'erasediff' }).substitute, { rule: 'batch' }, "EraseDiff's code")
})

t.test('SISS gives the subtracted gradient the norm scalingNorm, up as well as down', async (t) => {
  const options = siss.options.parse({ name: 'siss', scalingNorm: 5 })
  for (const norm of [0.01, 5, 1e6]) {
    const { keep, forget } = siss.coefficients({ keep: { keep: 1, forget: 0 }, forget: { keep: 0, forget: norm ** 2 } }, options)
    t.equal(keep, 1)
    t.ok(Math.abs(forget * norm + 5) < 1e-12, `‖g_forget‖ = ${norm}`)
  }
  const zero = siss.coefficients({ keep: { keep: 1, forget: 0 }, forget: { keep: 0, forget: 0 } }, options)
  t.same(zero, { keep: 1, forget: 0 }, 'a gradient of zero is left out')
  t.notOk(siss.options.safeParse({ name: 'siss', lambda: 2 }).success)
  t.notOk(siss.options.safeParse({ name: 'siss', scalingNorm: 0 }).success)
})

t.test(
  'the rule for the norm: ‖direction − g_keep‖ is scalingNorm, and a scale of losses and norm is a scale of the direction',
  async (t) => {
    const property = fc.property(gradients, positive(1000), positive(100), ([keep, forget], scalingNorm, scale) => {
      const direction = (by: number) => {
        const [x, a] = [keep, forget].map((vector) => vector.map((value) => by * value))
        const options = sissNoIs.options.parse({ name: 'siss-no-is', scalingNorm: by * scalingNorm })
        return directionOf(x, a, sissNoIs.coefficients(scalarsOf(x, a), options))
      }
      const [plain, scaled] = [direction(1), direction(scale)]
      const moved = plain.map((value, i) => value - keep[i])
      const tolerance = 1e-9 * (scalingNorm + Math.sqrt(dot(keep, keep)))
      return (
        Math.abs(Math.sqrt(dot(moved, moved)) - scalingNorm) < tolerance &&
        plain.every((value, i) => Math.abs(scale * value - scaled[i]) < tolerance * scale)
      )
    })
    fc.assert(property)
    t.pass()
  },
)

t.test('SISS by coins and without importance sampling have the same rule', async (t) => {
  const scalars = { keep: { keep: 9, forget: 1 }, forget: { keep: 1, forget: 4 } }
  const expected = { keep: 1, forget: -1.5 }
  t.same(sissNoIs.coefficients(scalars, sissNoIs.options.parse({ name: 'siss-no-is', scalingNorm: 3 })), expected)
  t.same(sissBernoulli.coefficients(scalars, sissBernoulli.options.parse({ name: 'siss-bernoulli', scalingNorm: 3 })), expected)
  for (const lambda of [0, 1, -0.1])
    t.notOk(sissBernoulli.options.safeParse({ name: 'siss-bernoulli', lambda }).success, 'both sides need samples')
})

t.test('NegGrad ascends, naive deletion descends', async (t) => {
  t.same(neggrad.coefficients({ forget: { forget: 4 } }, neggrad.options.parse({ name: 'neggrad', superfactor: 2 })), { forget: -2 })
  t.same(naive.coefficients({ keep: { keep: 4 } }, naive.options.parse({ name: 'naive' })), { keep: 1 })
})

t.test('NegGrad+ without a bound subtracts β times the gradient, with one a gradient of β times the kept norm', async (t) => {
  const name = 'neggrad-plus'
  const scalars = { keep: { keep: 9, forget: 1 }, forget: { keep: 1, forget: 4 } }
  t.same(neggradPlus.coefficients(scalars, neggradPlus.options.parse({ name, beta: 2, bound: 'none' })), { keep: 1, forget: -2 })
  t.same(neggradPlus.coefficients(scalars, neggradPlus.options.parse({ name, beta: 2 })), { keep: 1, forget: -3 }, 'the default')
  const zero = { keep: { keep: 9, forget: 0 }, forget: { keep: 0, forget: 0 } }
  t.same(neggradPlus.coefficients(zero, neggradPlus.options.parse({ name })), { keep: 1, forget: 0 })
  const property = fc.property(gradients, positive(1), ([keep, forget], beta) => {
    const scalars = scalarsOf(keep, forget)
    const direction = directionOf(keep, forget, neggradPlus.coefficients(scalars, neggradPlus.options.parse({ name, beta })))
    const [keepNorm, forgetNorm] = [scalars.keep.keep, scalars.forget.forget].map(Math.sqrt)
    const cosine = scalars.keep.forget / (keepNorm * forgetNorm)
    const falls = dot(forget, direction) - keepNorm * forgetNorm * (cosine - beta)
    return dot(keep, direction) >= -1e-9 * scalars.keep.keep && Math.abs(falls) <= 1e-9 * keepNorm * forgetNorm
  })
  fc.assert(property)
  t.pass('to first order the kept loss never rises, and the forgotten one does where cos < β')
})

t.test('weighted sums', async (t) => {
  const scalars: Pair = { keep: { keep: 9, forget: 1 }, forget: { keep: 1, forget: 4 } }
  const label = { name: 'random-label' } as const
  t.same(randomLabel.coefficients(scalars, randomLabel.options.parse(label)), { keep: 1, forget: 1 })
  t.same(randomLabel.coefficients(scalars, randomLabel.options.parse({ ...label, alpha: 0 })), { keep: 0, forget: 1 })
  t.same(salun.coefficients(scalars, salun.options.parse({ name: 'salun' })), { keep: 1e-3, forget: 1 })
  const amnesia = selectiveAmnesia.options.parse({ name: 'selective-amnesia', gamma: 0.5 })
  t.same(selectiveAmnesia.coefficients(scalars, amnesia), { keep: 0.5, forget: 1 })
  const memory = { keep: { keep: 9, alternative: 1 }, alternative: { keep: 1, alternative: 4 } }
  t.same(dimum.coefficients(memory, dimum.options.parse({ name: 'dimum', beta: 3 })), { keep: 1, alternative: 3 })
  t.same(esd.coefficients({ forget: { forget: 4 } }, esd.options.parse({ name: 'esd' })), { forget: 1 })
})

t.test('what rounds before training are told', async (t) => {
  t.match(salun.options.parse({ name: 'salun' }), { saliency: { share: 0.5, batches: 10 } })
  t.match(salun.options.parse({ name: 'salun', saliency: { share: 0.1 } }), { saliency: { share: 0.1, batches: 10 } })
  t.notOk(salun.options.safeParse({ name: 'salun', saliency: { share: 0 } }).success, 'a mask that lets nothing move')
  t.match(selectiveAmnesia.options.parse({ name: 'selective-amnesia' }), { gamma: 1, lambda: 10, fisher: { samples: 500 } })
  t.match(erasediff.options.parse({ name: 'erasediff' }), { innerSteps: 0, innerLearningRate: undefined })
  t.notOk(erasediff.options.safeParse({ name: 'erasediff', innerSteps: -1 }).success)
})
