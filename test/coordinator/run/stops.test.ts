import t from 'tap'
import { emptyHistory, fold, type History } from '../../../coordinator/journal/journal.ts'
import { endOf, stopsOf } from '../../../coordinator/run/stops.ts'
import type { AttackJob } from '../../../protocol/job.ts'
import { attackJob, attackResults, evaluated, madeUpRun } from '../../support/report-input.ts'

/** A journal with so many of 20 samples of the forgotten class recognised at each of these versions. */
function journal(job: AttackJob, forgotten: Record<number, number>, { without = -1 } = {}): History {
  const history = emptyHistory()
  for (const [version, recognised] of Object.entries(forgotten))
    attackResults(job, Number(version), recognised).forEach(({ result }, unit) => {
      if (unit !== without) fold(history, evaluated(Number(version), unit, result))
    })
  return history
}

t.test('an attack is measured where it asks for it and at its end', async (t) => {
  t.same(stopsOf(attackJob()), [0, 10, 40])
  const { job } = madeUpRun()
  t.same(stopsOf(job), [0, 60])
  t.same(stopsOf({ ...job, evaluate: { ...job.evaluate, before: false } }), [60])
})

t.test('the first stop at which the attack has succeeded', async (t) => {
  const job = attackJob({ stopAt: 0.5 })
  t.equal(endOf(job, emptyHistory()), null)
  t.equal(endOf(job, journal(job, { 0: 0 })), null)
  t.equal(endOf(job, journal(job, { 0: 0, 10: 9 })), null)
  t.equal(endOf(job, journal(job, { 0: 0, 10: 10 })), 10, 'as much as that is enough')
  t.equal(endOf(job, journal(job, { 0: 12, 10: 0, 40: 20 })), 0, 'it need not last')
  t.equal(endOf(job, journal(job, { 0: 0, 10: 0, 40: 20 })), 40)
  t.equal(endOf(job, journal(job, { 0: 0, 10: 0, 40: 0 })), null)
})

t.test('not before every unit is there, in whatever order they came', async (t) => {
  const job = attackJob({ stopAt: 0.5 })
  const units = attackResults(job, 10, 20).length
  for (let without = 0; without < units; without++) {
    const history = journal(job, { 0: 20 }, { without })
    t.equal(endOf(job, history), null, `without unit ${without}`)
    const { result } = attackResults(job, 0, 20)[without]
    fold(history, evaluated(0, without, result))
    t.equal(endOf(job, history), 0)
  }
})

t.test('jobs that name no such share go on to their end', async (t) => {
  const job = attackJob()
  t.equal(endOf(job, journal(job, { 0: 20, 10: 20 })), null)
  t.equal(endOf(madeUpRun().job, journal(job, { 0: 20 })), null)
})
