import t from 'tap'
import { attackName } from '../../../protocol/experiment/rows.ts'
import { attackJob } from '../../support/report-input.ts'

t.test('an attack is called after its images and labels, unless its row names it', async (t) => {
  const sources = [{ type: 'mnist' }]
  const nameOf = (changes: Parameters<typeof attackJob>[0], row: Record<string, string> | null = null) =>
    attackName({ id: 'one', row, job: attackJob(changes) })
  t.equal(nameOf({}), 'kept data')
  t.equal(nameOf({ sources }), 'other images')
  t.equal(nameOf({ shuffleLabels: true }), 'kept data, labels shuffled')
  t.equal(nameOf({ sources, shuffleLabels: true }), 'other images, labels shuffled')
  t.equal(nameOf({ shuffleLabels: true }, { attack: 'control' }), 'control')
})
