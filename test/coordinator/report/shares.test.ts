import t from 'tap'
import { wilsonInterval } from '../../../coordinator/measures/wilson.ts'
import { sharesOf } from '../../../coordinator/report/shares.ts'
import { attackJob, seenClasses } from '../../support/report-input.ts'

t.test('recognised is the class that was asked for', async (t) => {
  const twentieths = (recognised: number) => ({ samples: 20, recognised, interval: wilsonInterval(recognised, 20) })
  t.same(sharesOf(attackJob(), seenClasses(5)), {
    classes: [
      { class: 1, ...twentieths(18) },
      { class: 3, ...twentieths(5) },
    ],
    forgotten: twentieths(5),
    kept: twentieths(18),
  })
  const shuffled = seenClasses(5).map((label) => (label === 1 ? 3 : label))
  t.match(sharesOf(attackJob(), shuffled), { forgotten: { recognised: 5 }, kept: { recognised: 0 } }, 'class 3 under another condition')
})

t.test('without labels to forget nothing is forgotten; without classes nothing is recognised', async (t) => {
  const job = attackJob()
  const byIndex = { ...job, data: { ...job.data, forget: { indices: [0] } } }
  t.match(sharesOf(byIndex, seenClasses(5)), { forgotten: null, kept: { samples: 40, recognised: 23 } })
  const samples = { ...(job.evaluate.samples as object), classes: undefined, count: 40 } as typeof job.evaluate.samples
  t.same(sharesOf({ ...job, evaluate: { ...job.evaluate, samples } }, seenClasses(5)), {
    classes: [{ class: null, samples: 40, recognised: null, interval: null }],
    forgotten: null,
    kept: null,
  })
  t.same(sharesOf(job, []), { classes: [], forgotten: null, kept: null })
})
