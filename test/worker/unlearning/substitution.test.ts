import t from 'tap'
import type { Substitute } from '../../../protocol/methods/substitute.ts'
import { openDataSet } from '../../../worker/data/dataset.ts'
import { openPools } from '../../../worker/data/pools.ts'
import { Substitution } from '../../../worker/unlearning/substitution.ts'
import { tinyJob, writePictures } from '../../support/tiny-job.ts'

const pictures = await writePictures(t.testdir())

async function substitution(rule: Substitute, labels = [5, 2]): Promise<Substitution> {
  const job = tinyJob('unlearn', pictures, { data: { sources: pictures.sources, forget: { labels } } })
  return new Substitution(job, rule, await openPools(job, await openDataSet(job.data), true))
}
const range = (n: number) => Array.from({ length: n }, (_, i) => i)

t.test('the next kept class, around the end', async (t) => {
  const next = await substitution({ rule: 'next' })
  t.same(
    [2, 5].map((label) => next.draw(label, 0, 0)),
    [3, 0],
    'forgotten classes are skipped',
  )
})

t.test('a random kept class for each sample, or one for a whole step', async (t) => {
  const random = await substitution({ rule: 'random' })
  const drawn = range(400).map((place) => random.draw(5, 3, place))
  t.same([...new Set(drawn)].sort(), [0, 1, 3, 4])
  for (const label of [0, 1, 3, 4]) t.ok(Math.abs(drawn.filter((one) => one === label).length - 100) < 40, `each about as often: ${label}`)
  t.same(
    range(400).map((place) => random.draw(5, 3, place)),
    drawn,
    'the same whoever draws',
  )
  const batch = await substitution({ rule: 'batch' })
  const steps = range(40).map((step) => [...new Set(range(9).map((place) => batch.draw(5, step, place)))])
  t.ok(steps.every(({ length }) => length === 1))
  t.same([...new Set(steps.flat())].sort(), [0, 1, 3, 4])
})

t.test('a named class must be kept', async (t) => {
  t.equal((await substitution({ rule: 'class', class: 4 })).draw(5, 0, 0), 4)
  await t.rejects(substitution({ rule: 'class', class: 2 }), { code: 'DATA_ALTERNATIVE', received: '2' })
  await t.rejects(substitution({ rule: 'next' }, [0, 1, 2, 3, 4, 5]), { code: /DATA_(ALTERNATIVE|KEEP_EMPTY)/ })
})
