import fc from 'fast-check'
import t from 'tap'
import { jobSchema, type StepJob } from '../../protocol/job.ts'
import { channelsIn, roundAt, roundsOf, totalRounds } from '../../protocol/rounds.ts'

const jobOf = (method: object, training: object = {}): StepJob =>
  jobSchema.parse({
    kind: 'unlearn',
    name: 'rounds',
    model: { checkpoint: 'parent' },
    data: { sources: [{ type: 'mnist' }], forget: { labels: [3] } },
    method,
    training: { steps: 5, batchSize: 8, microBatchSize: 4, ...training },
  }) as StepJob

t.test('what a method needs beside its updates', async (t) => {
  t.same(roundsOf(jobOf({ name: 'siss' })), { prepare: 0, inner: 0, updates: 5 })
  t.same(roundsOf(jobOf({ name: 'salun', saliency: { batches: 3 } })), { prepare: 3, inner: 0, updates: 5 })
  t.same(roundsOf(jobOf({ name: 'selective-amnesia', fisher: { samples: 17 } })), { prepare: 3, inner: 0, updates: 5 }, 'whole batches')
  t.same(roundsOf(jobOf({ name: 'selective-amnesia', lambda: 0 })), { prepare: 0, inner: 0, updates: 5 }, 'nothing that nobody uses')
  const bilevel = roundsOf(jobOf({ name: 'erasediff', innerSteps: 2 }))
  t.same(bilevel, { prepare: 0, inner: 2, updates: 5 })
  t.equal(totalRounds(bilevel), 15, 'K + 1 reductions an update')
})

t.test('every round belongs to one update, in order, inner ones first', async (t) => {
  const counts = fc.record({ prepare: fc.nat(5), inner: fc.nat(4), updates: fc.integer({ min: 1, max: 6 }) })
  fc.assert(
    fc.property(counts, (rounds) => {
      const all = Array.from({ length: totalRounds(rounds) }, (_, index) => roundAt(rounds, index))
      const expected = [
        ...Array.from({ length: rounds.prepare }, (_, k) => ({
          ...{ phase: 'prepare', update: 0, isFirst: k === 0, isLast: k === rounds.prepare - 1 },
        })),
        ...Array.from({ length: rounds.updates }, (_, update) => [
          ...Array.from({ length: rounds.inner }, (_, k) => ({
            ...{ phase: 'inner', update, isFirst: k === 0, isLast: k === rounds.inner - 1 },
          })),
          { phase: 'update', update, isFirst: true, isLast: true },
        ]).flat(),
      ]
      return JSON.stringify(all) === JSON.stringify(expected)
    }),
  )
  t.pass()
})

t.test('channels of a phase', async (t) => {
  const { method } = jobOf({ name: 'erasediff', innerSteps: 2 })
  t.same(channelsIn(method, 'update'), ['keep', 'forget'])
  t.same(channelsIn(method, 'inner'), ['forget'])
  t.same(channelsIn(jobOf({ name: 'selective-amnesia' }).method, 'prepare'), ['keep'])
})
