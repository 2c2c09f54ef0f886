import fc from 'fast-check'
import t from 'tap'
import { SubjectTree } from '../../../coordinator/broker/subjects.ts'
import { isPattern, isSubject, matches } from '../../../protocol/bus/names.ts'

const word = fc.constantFrom('a', 'b', 'c')
const subject = fc.array(word, { minLength: 1, maxLength: 4 }).map((words) => words.join('.'))
const pattern = fc
  .tuple(fc.array(fc.oneof(word, fc.constant('*')), { maxLength: 4 }), fc.boolean())
  .map(([words, isOpen]) => [...words, ...(isOpen || words.length === 0 ? ['>'] : [])].join('.'))

t.test('the tree finds what fits, and forgets what was taken away', async () => {
  fc.assert(
    fc.property(fc.array(fc.record({ pattern, isKept: fc.boolean() }), { maxLength: 12 }), subject, (patterns, subject) => {
      const tree = new SubjectTree<number>()
      const remove = patterns.map(({ pattern }, i) => tree.add(pattern, i))
      patterns.forEach(({ isKept }, i) => {
        if (!isKept) remove[i]()
      })
      const found = tree.match(subject).sort((a, b) => a - b)
      const expected = patterns.flatMap(({ pattern, isKept }, i) => (isKept && matches(pattern, subject) ? [i] : []))
      return JSON.stringify(found) === JSON.stringify(expected)
    }),
    { numRuns: 2000 },
  )
})

t.test('a pattern fits as NATS says', async (t) => {
  for (const [one, subject, fits] of [
    ['a.*', 'a.b', true],
    ['a.*', 'a', false],
    ['a.*', 'a.b.c', false],
    ['a.>', 'a', false],
    ['a.>', 'a.b.c', true],
    ['>', 'a', true],
    ['*.b', 'a.b', true],
    ['a.b', 'a.b.c', false],
  ] as const)
    t.equal(matches(one, subject), fits, `${one} ${subject}`)
  t.ok(isPattern('lethe.*.up.>') && isSubject('lethe.a_b-C.9') && isPattern('>'))
  for (const bad of ['', '.', 'a.', '.a', 'a..b', 'a b', 'a\n', 'a.>.b', 'ä', '$JS.API.INFO', 'a'.repeat(401)]) t.notOk(isPattern(bad), bad)
  for (const bad of ['*', 'a.*', '>']) t.notOk(isSubject(bad), bad)
})
