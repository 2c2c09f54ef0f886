import t from 'tap'
import { parseJob } from '../../protocol/jobfile.ts'

const text = (method: string, data: string) => `
kind: unlearn
name: forget
model: { checkpoint: model }
data: { sources: [{ type: mnist }], forget: { labels: [3] }${data} }
method: { name: ${method} }
training: { steps: 1, batchSize: 2, microBatchSize: 2 }
`

t.test('alternative images: where they are missing, of no use, or what is to be forgotten, the file alone tells', async (t) => {
  t.ok(parseJob(text('dimum', ', alternative: { labels: [8] }')))
  t.throws(() => parseJob(text('dimum', '')), { code: 'DATA_ALTERNATIVE', expected: 'data.alternative' })
  t.throws(() => parseJob(text('dimum', ', alternative: { labels: [8, 3] }')), { code: 'DATA_ALTERNATIVE', received: '3 in both' })
  t.throws(() => parseJob(text('neggrad', ', alternative: { labels: [8] }')), { code: 'DATA_ALTERNATIVE', message: /neggrad has no use/ })
})
