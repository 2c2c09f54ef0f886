import t from 'tap'
import { erasediff } from '../../protocol/methods/erasediff.ts'
import { methodOf, methods } from '../../protocol/methods/index.ts'
import { naive } from '../../protocol/methods/naive.ts'
import { neggrad } from '../../protocol/methods/neggrad.ts'
import { siss } from '../../protocol/methods/siss.ts'
import { sissNoIs } from '../../protocol/methods/siss-no-is.ts'

t.test('every method is found by its name, has channels and refuses options it does not know', async (t) => {
  for (const [name, method] of Object.entries(methods)) {
    t.equal(methodOf(method.name), method, name)
    t.equal(name, method.name)
    t.ok(method.channels.length > 0)
    t.match(method.options.parse({ name }), { name, timesteps: [0, 999] }, 'defaults')
    t.notOk(method.options.safeParse({ name, nonsense: 1 }).success)
    t.notOk(method.options.safeParse({ name, timesteps: [5, 2] }).success)
    t.notOk(method.options.safeParse({ name, timesteps: [0, 1000] }).success)
  }
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

t.test('NegGrad ascends, naive deletion descends', async (t) => {
  t.same(neggrad.coefficients({ forget: { forget: 4 } }, neggrad.options.parse({ name: 'neggrad', superfactor: 2 })), { forget: -2 })
  t.same(naive.coefficients({ keep: { keep: 4 } }, naive.options.parse({ name: 'naive' })), { keep: 1 })
})

t.test('SISS without importance sampling has the same rule for the norm', async (t) => {
  const scalars = { keep: { keep: 9, forget: 1 }, forget: { keep: 1, forget: 4 } }
  t.same(sissNoIs.coefficients(scalars, sissNoIs.options.parse({ name: 'siss-no-is', scalingNorm: 3 })), { keep: 1, forget: -1.5 })
})

t.test('EraseDiff makes the forget loss fall at the rate that is asked for, and adds nothing where it falls by itself', async (t) => {
  const options = erasediff.options.parse({ name: 'erasediff', eta: 0.1 })
  // g_keep = (1, 0), g_forget = (-1, 1): the direction is (0.4, 0.6), whose product with g_forget is 0.2 = η‖g_forget‖².
  const { keep, forget } = erasediff.coefficients({ keep: { keep: 1, forget: -1 }, forget: { keep: -1, forget: 2 } }, options)
  t.equal(keep, 1)
  t.ok(Math.abs(forget - 0.6) < 1e-12)
  t.equal(erasediff.coefficients({ keep: { keep: 1, forget: 1 }, forget: { keep: 1, forget: 2 } }, options).forget, 0)
  t.equal(erasediff.coefficients({ keep: { keep: 1, forget: 0 }, forget: { keep: 0, forget: 0 } }, options).forget, 0)
})
