import t from 'tap'
import { costOf } from '../../../coordinator/report/cost.ts'
import type { StepRecord } from '../../../protocol/report.ts'

const record = (phase: StepRecord['phase'], step: number): StepRecord => ({ phase, step, losses: {}, norms: {}, updateNorm: 1 })

t.test('a step is an update with its inner steps; preparation is apart', async (t) => {
  const history = [
    record('prepare', 0),
    record('prepare', 0),
    ...[0, 1, 2].flatMap((step) => [record('inner', step), record('update', step)]),
  ]
  t.same(costOf({ history, stepMs: [100, 50, 10, 20, 10, 30, 10, 70], peakMemoryBytes: 9 }), {
    millisecondsPerStep: { median: 40, percentile90: 80, steps: 3 },
    preparationMilliseconds: 150,
    peakMemoryBytes: 9,
  })
})

t.test('the 90th percentile is a time that was there', async (t) => {
  const times = Array.from({ length: 20 }, (_, step) => step + 1)
  t.same(costOf({ history: times.map((_, step) => record('update', step)), stepMs: times, peakMemoryBytes: 9 }).millisecondsPerStep, {
    median: 10.5,
    percentile90: 18,
    steps: 20,
  })
  t.same(costOf({ history: [], stepMs: [], peakMemoryBytes: null }), {
    ...{ millisecondsPerStep: null, preparationMilliseconds: 0, peakMemoryBytes: null },
  })
})
