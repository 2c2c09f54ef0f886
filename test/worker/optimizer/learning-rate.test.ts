import t from 'tap'
import type { StepJob } from '../../../protocol/job.ts'
import { learningRateAt } from '../../../worker/optimizer/learning-rate.ts'

const training = (name: 'constant' | 'cosine', warmupSteps: number) =>
  ({ steps: 110, optimizer: { learningRate: 0.1 }, learningRateSchedule: { name, warmupSteps } }) as StepJob['training']
const near = (a: number, b: number) => Math.abs(a - b) < 1e-12

t.test('constant', async (t) => {
  for (const step of [0, 50, 109]) t.equal(learningRateAt(step, training('constant', 0)), 0.1)
})

t.test('warm-up is linear from 0 and reaches the full rate after its last step', async (t) => {
  for (const name of ['constant', 'cosine'] as const) {
    t.equal(learningRateAt(0, training(name, 10)), 0)
    t.ok(near(learningRateAt(5, training(name, 10)), 0.05))
    t.ok(near(learningRateAt(9, training(name, 10)), 0.09))
    t.ok(near(learningRateAt(10, training(name, 10)), 0.1))
  }
})

t.test('half a cosine', async (t) => {
  t.ok(near(learningRateAt(60, training('cosine', 10)), 0.05), 'half way')
  t.ok(near(learningRateAt(110, training('cosine', 10)), 0), 'zero after the last step')
  t.ok(learningRateAt(109, training('cosine', 10)) > 0, 'the last step still moves')
  const rates = Array.from({ length: 100 }, (_, k) => learningRateAt(10 + k, training('cosine', 10)))
  t.ok(
    rates.every((rate, k) => k === 0 || rate < rates[k - 1]),
    'falls',
  )
  t.equal(learningRateAt(0, { ...training('cosine', 0), steps: 1 }), 0.1, 'a run of one step')
})
