import t from 'tap'
import { rowsOf } from '../../../coordinator/report/rows.ts'
import { reportOf } from '../../../coordinator/report/summary.ts'
import { textTable } from '../../../coordinator/report/table.ts'
import { madeUpRun } from '../../support/report-input.ts'

t.test('before and after', (t) => {
  const report = reportOf(madeUpRun())
  t.equal(
    textTable(report),
    `
                                                         before     after   change
────────────────────────────────────────────────────   ────────   ───────   ──────
forgotten image reconstructed from t = 700 (L2 < 10)   10 of 10   0 of 10      −10
mean L2 from reconstruction to image                       2.00     14.00   +12.00
samples that are the image (L2 < 10)                    3 of 40   0 of 40       −3
loss on the kept data                                      0.04     0.041   +2.5 %`.slice(1),
  )
  t.same(
    rowsOf(report).map(({ better }) => better),
    [true, true, true, true],
  )
  t.end()
})

t.test('a run that got worse says so', (t) => {
  const { forget, keep, accuracy } = reportOf(madeUpRun())
  const turned = {
    kind: 'unlearn' as const,
    accuracy,
    forget: { before: forget.after, after: forget.before },
    keep: { before: keep.after, after: keep.before && { ...keep.before, loss: 0.05 } },
  }
  t.same(
    rowsOf(turned).map(({ better }) => better),
    [false, false, false, false],
  )
  t.same(
    rowsOf({ kind: 'unlearn', forget: { before: forget.after, after: forget.after }, keep, accuracy })
      .slice(0, 3)
      .map(({ change, better }) => [change, better]),
    Array(3).fill(['±0', undefined]),
  )
  t.end()
})

t.test('one phase alone has one column; none has no table', (t) => {
  const { forget, keep, accuracy } = reportOf(madeUpRun())
  const trained = { kind: 'train' as const, forget: { ...forget, before: null }, keep: { ...keep, before: null }, accuracy }
  const [head, ...rows] = textTable(trained).split('\n')
  t.match(head, /^ +after$/)
  t.match(rows.join('\n'), /watched image reconstructed/, 'training forgets nothing')
  const none = { before: null, after: null }
  t.equal(textTable({ kind: 'unlearn', forget: none, keep: none, accuracy: none }), '')
  t.end()
})
