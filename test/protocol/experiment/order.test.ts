import fc from 'fast-check'
import t from 'tap'
import { dependencyOrder } from '../../../protocol/experiment/order.ts'

t.test('what is needed comes first, and nothing is moved without need', async (t) => {
  t.same(dependencyOrder([[], [], []]), { order: [0, 1, 2] })
  t.same(dependencyOrder([[2], [], []]), { order: [2, 0, 1] })
  t.same(dependencyOrder([[1], [0]]), { cycle: [0, 1, 0] })
  t.same(dependencyOrder([[0]]), { cycle: [0, 0] })
})

t.test('any graph without a circle', async () => {
  const graph = fc.array(fc.array(fc.nat(30)), { maxLength: 30 }).map((needs) => needs.map((list, i) => list.filter((need) => need < i)))
  const shuffled = graph.chain((needs) => fc.tuple(fc.constant(needs), fc.shuffledSubarray([...needs.keys()], { minLength: needs.length })))
  fc.assert(
    fc.property(shuffled, ([needs, names]) => {
      const renamed = names.map((_, i) => (needs[names.indexOf(i)] ?? []).map((need) => names[need]))
      const result = dependencyOrder(renamed)
      if (!('order' in result)) return false
      const at = new Map(result.order.map((index, place) => [index, place]))
      return at.size === renamed.length && renamed.every((list, i) => list.every((need) => (at.get(need) ?? 0) < (at.get(i) ?? 0)))
    }),
  )
})
