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
    ...{ type: 'evaluation', ticket, values, judged: { classes: 10, features: 64 }, totalBytes, offset: 0, checksum: '0'.repeat(32) },
  })
  t.ok(mailbox.limit('w1', summary, answer(2 * 74 * 4)) > 2 * 74 * 4)
  t.throws(() => mailbox.limit('w1', summary, answer(2 * 74 * 4 - 1)), { code: 'CONNECTION_FRAME' })
  t.throws(() => mailbox.limit('w1', summary, answer(1000, [1])), { code: 'CONNECTION_FRAME' })
  t.throws(() => mailbox.limit('w2', summary, answer(1000)), { code: 'CONNECTION_FRAME' }, 'from another worker')
  t.same(mailbox.close('w1', ticket), { worker: 'w1', version: 0, unit: 0, rewinds: 0 })
  t.throws(() => mailbox.limit('w1', summary, answer(1000)), { code: 'CONNECTION_FRAME' }, 'twice')
})
