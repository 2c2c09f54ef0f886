import t from 'tap'
import { keysOf, quickExperiment } from '../support/quick-experiment.ts'

/* A ready experiment with its quick budget: every job of it runs, and the table has what it is to show. */

t.setTimeout(900_000)

t.test('mnist-tshirt-table: nine ways to forget one image', async (t) => {
  const report = await quickExperiment(t, 'mnist-tshirt-table')
  t.equal(report.rows.length, 9)
  for (const key of ['hits', 'reconstructed', 'likelihood', 'inceptionScore', 'frechetDistance', 'keepLoss', 'distance', 'msPerStep'])
    t.ok(keysOf(report).includes(key), key)
  for (const { title, cells } of report.rows) t.ok(cells.hits && cells.likelihood, title)
})
