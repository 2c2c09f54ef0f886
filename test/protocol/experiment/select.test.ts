import t from 'tap'
import type { ExperimentJob } from '../../../protocol/experiment/expansion.ts'
import { selected, startsId } from '../../../protocol/experiment/select.ts'

t.test('ids are matched by whole words', async (t) => {
  t.ok(startsId('siss-0', 'siss-0'))
  t.ok(startsId('siss-0-kept', 'siss-0'))
  t.ok(startsId('a.original', 'a'))
  t.notOk(startsId('siss-05', 'siss-0'))
})

t.test('a choice brings what it needs, in the order of all', async (t) => {
  const job = (id: string, dependsOn: string[] = [], controls: object | null = null) =>
    ({ id, dependsOn, controls }) as unknown as ExperimentJob
  const jobs = [job('model'), job('other'), job('un', ['model']), job('control', ['other']), job('at', ['un'], { original: 'control' })]
  t.same(
    selected(jobs, ['at']).map(({ id }) => id),
    ['model', 'other', 'un', 'control', 'at'],
  )
  t.same(
    selected(jobs, ['un']).map(({ id }) => id),
    ['model', 'un'],
  )
  t.equal(selected(jobs, []).length, 5)
  t.throws(() => selected(jobs, ['nobody']), { code: 'USAGE' })
})
