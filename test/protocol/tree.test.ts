import fc from 'fast-check'
import t from 'tap'
import { normals } from '../../protocol/random.ts'
import { leavesOf, rootLevel, subtrees, TreeSum } from '../../protocol/tree.ts'
import { addInPlace } from '../../protocol/vector.ts'

const width = 9
/** Of very different sizes, so that every other order of adding gives other bits. */
const leaf = (index: number) =>
  normals({ seed: 1, purpose: 'noise', step: 0, sample: index }, new Float32Array(width)).map((x) => x * 10 ** ((index * 7) % 9))
const bits = (values: Float32Array | undefined) =>
  values ? [...new Uint32Array(values.buffer, values.byteOffset, values.length)].join() : ''

function oneOwner(count: number): string {
  const sum = new TreeSum(count, addInPlace)
  for (let index = 0; index < count; index++) sum.put({ level: 0, index }, leaf(index))
  return bits(sum.root())
}

/** A count, cut points, and a seed for the order of arrival. */
const splits = fc.integer({ min: 1, max: 70 }).chain((count) =>
  fc.record({
    count: fc.constant(count),
    cuts: fc.array(fc.integer({ min: 0, max: count }), { maxLength: 12 }).map((cuts) => [0, ...cuts.sort((a, b) => a - b), count]),
    arrival: fc.array(fc.nat(), { minLength: 200, maxLength: 200 }),
  }),
)

const shuffled = <T>(items: readonly T[], arrival: readonly number[]) =>
  items
    .map((item, i) => ({ item, rank: arrival[i % arrival.length] }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ item }) => item)

t.test('the documented example: five leaves', async (t) => {
  t.same(subtrees(0, 5, 5), [{ level: 3, index: 0 }])
  t.same(subtrees(0, 3, 5), [
    { level: 1, index: 0 },
    { level: 0, index: 2 },
  ])
  t.same(subtrees(3, 5, 5), [
    { level: 0, index: 3 },
    { level: 2, index: 1 },
  ])
  t.same(subtrees(2, 2, 5), [])
  t.equal(rootLevel(1), 0)
  t.equal(rootLevel(8), 3)
  t.equal(rootLevel(9), 4)

  const sum = new TreeSum<string>(5, (left, right) => `(${left}+${right})`)
  for (const index of [3, 0, 4, 2, 1]) sum.put({ level: 0, index }, `${index}`)
  t.equal(sum.root(), '(((0+1)+(2+3))+4)')
})

t.test('any split and any order of arrival give the bits of one owner', async () => {
  const expected = Array.from({ length: 71 }, (_, count) => (count > 0 ? oneOwner(count) : ''))
  fc.assert(
    fc.property(splits, ({ count, cuts, arrival }) => {
      const partials = cuts.slice(1).flatMap((end, i) => {
        const start = cuts[i]
        const owner = new TreeSum(count, addInPlace)
        const mine = Array.from({ length: end - start }, (_, k) => start + k)
        for (const index of shuffled(mine, arrival)) owner.put({ level: 0, index }, leaf(index))
        const held = owner.nodes()
        if (JSON.stringify(held.map(({ node }) => node)) !== JSON.stringify(subtrees(start, end, count)))
          throw new Error('other nodes held')
        return held
      })
      const reducer = new TreeSum(count, addInPlace)
      for (const { node, value } of shuffled(partials, arrival)) {
        if (reducer.root() !== undefined) throw new Error('the root is there too early')
        reducer.put(node, value)
      }
      return bits(reducer.root()) === expected[count] && reducer.nodes().length === 1
    }),
    { numRuns: 1500 },
  )
})

t.test('subtrees are disjoint, complete, in order and few', async (t) => {
  let most = 0
  for (let count = 1; count <= 70; count++) {
    const few = Math.max(1, 2 * Math.log2(count))
    for (let start = 0; start <= count; start++) {
      for (let end = start; end <= count; end++) {
        let next = start
        const nodes = subtrees(start, end, count)
        for (const node of nodes) {
          const leaves = leavesOf(node, count)
          if (leaves.start !== next || leaves.end <= leaves.start) t.fail(`[${start}, ${end}) of ${count}`)
          next = leaves.end
        }
        if (next !== end || nodes.length > few) t.fail(`[${start}, ${end}) of ${count}: ${nodes.length} nodes`)
        most = Math.max(most, nodes.length)
      }
    }
  }
  t.ok(most > 6 && most <= 12, `at most ${most} nodes`)
})

t.test('a node is taken under every name of the same leaves', async (t) => {
  for (const node of [
    { level: 0, index: 4 },
    { level: 1, index: 2 },
    { level: 2, index: 1 },
  ]) {
    const sum = new TreeSum<number>(5, (left, right) => left + right)
    sum.put(node, 4)
    t.same(sum.nodes(), [{ node: { level: 2, index: 1 }, value: 4 }])
    sum.put({ level: 2, index: 0 }, 6)
    t.equal(sum.root(), 10)
  }
})

t.test('overlaps and foreign nodes are refused and change nothing', async (t) => {
  const sum = new TreeSum<number>(6, (left, right) => left + right)
  sum.put({ level: 1, index: 0 }, 1)
  sum.put({ level: 0, index: 4 }, 2)
  const before = sum.nodes()
  const bad = [
    { level: 0, index: 0 },
    { level: 1, index: 0 },
    { level: 2, index: 0 },
    { level: 3, index: 0 },
    { level: 1, index: 2 },
    { level: 0, index: 6 },
    { level: 4, index: 0 },
    { level: -1, index: 0 },
    { level: 0, index: -1 },
    { level: 0.5, index: 0 },
    { level: 0, index: 0.5 },
    { level: Number.NaN, index: 0 },
  ]
  for (const node of bad) t.throws(() => sum.put(node, 9), RangeError, JSON.stringify(node))
  t.same(sum.nodes(), before)
  t.equal(sum.root(), undefined)
  for (const count of [0, -1, 1.5, 2 ** 31]) t.throws(() => new TreeSum(count, addInPlace), RangeError)
  for (const [start, end] of [
    [-1, 2],
    [0, 7],
    [3, 2],
    [0, 1.5],
  ])
    t.throws(() => subtrees(start, end, 6), RangeError)
})
