import t from 'tap'
import { differences } from '../../../coordinator/storage/differences.ts'

t.test('where two jobs differ', async (t) => {
  const job = { name: 'one', training: { steps: 3, wire: 'f32' }, data: { sources: [{ type: 'mnist' }] } }
  t.same(differences(job, structuredClone(job)), [])
  t.same(differences(job, { ...job, training: { steps: 4, wire: 'f32' } }), ['training.steps: 3 there, 4 now'])
  t.same(differences(job, { name: 'one', training: { steps: 3 }, data: { sources: [] }, method: { name: 'siss' } }), [
    'training.wire: "f32" there, nothing now',
    'data.sources: [{"type":"mnist"}] there, [] now',
    'method: nothing there, {"name":"siss"} now',
  ])
})
