import t from 'tap'
import { rowsOf } from '../../../coordinator/report/rows.ts'
import { reportOf } from '../../../coordinator/report/summary.ts'
import { textTable } from '../../../coordinator/report/table.ts'
import { madeUpRun } from '../../support/report-input.ts'

t.test('before and after', async (t) => {
  const report = await reportOf(madeUpRun())
  t.equal(
    textTable(report),
    `
                                                                    before                    after   change
────────────────────────────────────────────────────   ───────────────────   ──────────────────────   ──────
forgotten image reconstructed from t = 700 (L2 < 10)              10 of 10                  0 of 10      −10
mean L2 from reconstruction to image                   2.00 (2.00 to 2.00)   14.00 (14.00 to 14.00)   +12.00
samples that are the image (L2 < 10)                               3 of 40                  0 of 40       −3
loss on the kept data                                                 0.04                    0.041   +2.5 %`.slice(1),
  )
  t.same(
    rowsOf(report).map(({ better }) => better),
    [true, true, true, true],
  )
})

t.test('a run that got worse says so', async (t) => {
  const report = await reportOf(madeUpRun())
  const { forget, keep } = report
  const turned = {
    ...report,
    forget: { before: forget.after, after: forget.before },
    keep: { before: keep.after, after: keep.before && { ...keep.before, loss: 0.05 } },
  }
  t.same(
    rowsOf(turned).map(({ better }) => better),
    [false, false, false, false],
  )
  t.same(
    rowsOf({ ...report, forget: { before: forget.after, after: forget.after } })
      .slice(0, 3)
      .map(({ change, better }) => [change, better]),
    Array(3).fill(['±0', undefined]),
  )
})

t.test('one phase alone has one column; none has no table', async (t) => {
  const report = await reportOf(madeUpRun())
  const { forget, keep } = report
  const trained = { ...report, kind: 'train' as const, forget: { ...forget, before: null }, keep: { ...keep, before: null } }
  const [head, ...rows] = textTable(trained).split('\n')
  t.match(head, /^ +after$/)
  t.match(rows.join('\n'), /watched image reconstructed/, 'training forgets nothing')
  const none = { before: null, after: null }
  t.equal(textTable({ ...report, forget: none, keep: none }), '')
})
