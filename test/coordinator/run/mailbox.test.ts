import t from 'tap'
import { Exports } from '../../../coordinator/run/exports.ts'
import { Mailbox } from '../../../coordinator/run/mailbox.ts'
import { jobSchema } from '../../../protocol/job.ts'
import type { WorkerBulk } from '../../../protocol/messages.ts'
import { summary } from '../../support/decided-run.ts'

const job = jobSchema.parse({
  kind: 'evaluate',
  name: 'measured',
  model: { checkpoint: 'model' },
  data: { sources: [{ type: 'mnist' }] },
  evaluate: { classifier: 'judge', samples: { classes: [1], count: 2 } },
})

t.test('an answer must hold what its header says of a classifier', async (t) => {
  const mailbox = new Mailbox(job, new Exports(), false)
  const ticket = mailbox.issue({ worker: 'w1', version: 0, unit: 0, rewinds: 0 })
  const answer = (totalBytes: number, values = [1, 1]): WorkerBulk => ({
    ...{ type: 'evaluation', ticket, values, widths: [10, 64], totalBytes, offset: 0, checksum: '0'.repeat(32) },
  })
  t.ok(mailbox.limit('w1', summary, answer(2 * 74 * 4)) > 2 * 74 * 4)
  t.throws(() => mailbox.limit('w1', summary, answer(2 * 74 * 4 - 1)), { code: 'CONNECTION_FRAME' })
  t.throws(() => mailbox.limit('w1', summary, answer(1000, [1])), { code: 'CONNECTION_FRAME' })
  t.throws(() => mailbox.limit('w2', summary, answer(1000)), { code: 'CONNECTION_FRAME' }, 'from another worker')
  t.throws(() => mailbox.limit('w1', summary, { ...answer(10_000), widths: [10] } as WorkerBulk), { code: 'CONNECTION_FRAME' })
  t.same(mailbox.close('w1', ticket), { worker: 'w1', version: 0, unit: 0, rewinds: 0 })
  t.throws(() => mailbox.limit('w1', summary, answer(1000)), { code: 'CONNECTION_FRAME' }, 'twice')
})

t.test('extractors have the widths that workers found, before a byte is kept', async (t) => {
  const extractors = [
    { score: 'fid', file: 'a.onnx' },
    { score: 'sscd', file: 'b.onnx' },
  ]
  const evaluate = { samples: { classes: [1], count: 2 }, references: { samples: 2 }, reconstruction: { noises: 2 }, extractors }
  const mailbox = new Mailbox(jobSchema.parse({ ...job, evaluate }), new Exports(), false)
  const opened = { output: 'y', features: 2048, channels: 3, size: [299, 299] as [number, number] }
  const known = { ...summary, extractors: [opened, opened] }
  const limit = (metric: string, widths: number[], from = known) => {
    const unit = mailbox.units.findIndex((one) => one.metric === metric)
    const ticket = mailbox.issue({ worker: 'w1', version: 0, unit, rewinds: 0 })
    return mailbox.limit('w1', from, {
      ...{ type: 'evaluation', ticket, values: [0, 0], widths, totalBytes: 2 * 4 * 2048, offset: 0, checksum: '0'.repeat(32) },
    })
  }
  t.equal(limit('samples', [2048]), 2 * 2 ** 20 + 2 * 4 * 2048)
  t.equal(limit('reconstruction', [1]), 2 * 2 ** 20 + 2 * 4)
  for (const [metric, widths] of [
    ['samples', [65_536]],
    ['samples', [2047]],
    ['samples', []],
    ['samples', [2048, 1]],
    ['references', [1]],
    ['reconstruction', [2048]],
  ] as const)
    t.throws(() => limit(metric, [...widths]), { code: 'CONNECTION_FRAME' }, `${metric}: ${widths}`)
  t.throws(() => limit('samples', [2048], { ...summary, extractors: [] }), { code: 'CONNECTION_FRAME' }, 'of one that found none')
})

t.test('a distance is one number', async (t) => {
  const evaluate = { classifier: 'judge', hits: { samples: 2 }, samples: { count: 2 } }
  const forgetting = { ...job, data: { ...job.data, forget: { labels: [1] } }, evaluate }
  const mailbox = new Mailbox(jobSchema.parse(forgetting), new Exports(), false)
  const ticket = mailbox.issue({ worker: 'w1', version: 0, unit: 0, rewinds: 0 })
  const answer = (widths: number[]): WorkerBulk => ({
    ...{ type: 'evaluation', ticket, values: [1, 1], widths, totalBytes: 10_000, offset: 0, checksum: '0'.repeat(32) },
  })
  t.ok(mailbox.limit('w1', summary, answer([1, 10, 64])) > 2 * 75 * 4)
  t.throws(() => mailbox.limit('w1', summary, answer([2, 10, 64])), { code: 'CONNECTION_FRAME' })
  t.throws(() => mailbox.limit('w1', summary, answer([10, 64])), { code: 'CONNECTION_FRAME' })
})
