import t from 'tap'
import { keysOf, quickExperiment } from '../support/quick-experiment.ts'

/* A ready experiment with its quick budget: every job of it runs, and the table has what it is to show. */

t.setTimeout(900_000)

t.test('mnist-digit-relearn: seven models, two attacks each, beside their controls', async (t) => {
  const report = await quickExperiment(t, 'mnist-digit-relearn')
  t.equal(report.rows.length, 8)
  for (const key of ['unlearningAccuracy', 'keptAccuracy', 'frechetDistance', 'membershipGap']) t.ok(keysOf(report).includes(key), key)
  for (const { title, attacks } of report.rows.filter((row) => row.title !== 'Original')) {
    t.equal(attacks.length, 2, title)
    for (const { name, curve, controls } of attacks) {
      t.same(
        curve.map(({ step }) => step),
        [0, 2],
        name,
      )
      t.equal(controls.original?.curve.length, 2)
      t.equal(controls.retrained?.curve.length, 2)
    }
  }
  t.same(
    report.comparison.axes.map(({ of }) => of),
    ['forgetting', 'quality', 'robustness'],
  )
})
