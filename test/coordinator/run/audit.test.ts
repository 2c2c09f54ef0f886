import t from 'tap'
import { Audit, rangeDigest } from '../../../coordinator/run/audit.ts'
import type { NodeDigest } from '../../../protocol/messages.ts'
import { subtrees } from '../../../protocol/tree.ts'

const microBatches = 7
const channels = ['keep', 'forget']

function nodesOf(start: number, end: number, text = 'same'): NodeDigest[] {
  return channels.flatMap((channel) =>
    subtrees(start, end, microBatches).map((node) => ({ channel, ...node, sha256: `${text} ${channel}` })),
  )
}

const auditOf = () =>
  new Audit(
    5,
    [
      { worker: 'w1', start: 0, end: 3 },
      { worker: 'w2', start: 3, end: 7 },
    ],
    { channels: channels.length, microBatches },
  )

t.test('alike', async (t) => {
  const audit = auditOf()
  for (const node of nodesOf(0, 3)) t.equal(audit.claim('w1', [node]), null, 'in portions, as they come on the bulk socket')
  t.equal(audit.claim('w2', nodesOf(3, 7)), null)
  t.equal(audit.claim('w2', nodesOf(0, 3).reverse()), null, 'in another order')
  t.notOk(audit.isClear)
  let isCleared = false
  void audit.clear().then(() => {
    isCleared = true
  })
  t.equal(audit.claim('w1', nodesOf(3, 7)), null)
  t.ok(audit.isClear)
  await new Promise(setImmediate)
  t.ok(isCleared)
})

t.test('different', async (t) => {
  const audit = auditOf()
  audit.claim('w1', nodesOf(0, 3))
  t.equal(audit.claim('w2', nodesOf(0, 3, 'other').slice(1)), null, 'not before all of it is there')
  const dispute = audit.claim('w2', nodesOf(0, 3, 'other').slice(0, 1))
  t.match(dispute, { start: 0, end: 3, claims: [{ worker: 'w1' }, { worker: 'w2' }] })
  t.not(dispute?.claims[0].digest, dispute?.claims[1].digest)
  t.notOk(auditOf().isClear)
})

t.test('one digest names a range whatever the order of its nodes', async (t) => {
  const nodes = nodesOf(1, 7)
  t.equal(rangeDigest(nodes), rangeDigest([...nodes].reverse()))
  t.not(rangeDigest(nodes), rangeDigest(nodesOf(1, 7, 'other')))
  t.not(rangeDigest(nodes), rangeDigest(nodes.slice(1)))
})
