import t from 'tap'
import { membershipGaps } from '../../../coordinator/measures/membership.ts'
import { normals } from '../../../protocol/random.ts'

t.test('the gap of each time with its standard error, by hand', async (t) => {
  const [gap, flat] = membershipGaps([
    { t: 200, keep: [1, 2, 3], forget: Float32Array.of(10, 14) },
    { t: 400, keep: [5, 5], forget: [5, 5, 5] },
  ])
  // s² is 1 and 8.
  t.match(gap, { t: 200, keepMean: 2, forgetMean: 12, gap: 10 })
  t.ok(Math.abs((gap.standardError as number) - Math.sqrt(1 / 3 + 4)) < 1e-12)
  t.same(flat, { t: 400, keepMean: 5, forgetMean: 5, gap: 0, standardError: 0 })
})

t.test('of 400 repetitions the gap lies within two standard errors about 95 % of the time', async (t) => {
  let within = 0
  for (let k = 0; k < 400; k++) {
    const draw = (n: number, side: number) => normals({ seed: k, purpose: 'noise', step: side, sample: n }, new Float32Array(n))
    const [{ gap, standardError }] = membershipGaps([{ t: 0, keep: draw(80, 1), forget: draw(30, 2).map((value) => 3 * value + 1) }])
    if (Math.abs(gap - 1) < 2 * (standardError as number)) within += 1
  }
  t.ok(within > 365 && within < 395, `${within} of 400`)
})

t.test('few samples', async (t) => {
  t.match(membershipGaps([{ t: 600, keep: [1, 2], forget: [4] }]), [{ gap: 2.5, standardError: null }])
  t.same(membershipGaps([{ t: 600, keep: [], forget: [4] }]), [], 'a side without samples has no mean')
})
