import { join } from 'node:path'
import t from 'tap'
import { silenceMs } from '../../../protocol/socket.ts'
import { Watermark } from '../../../worker/runtime/watermark.ts'
import { startToyRun, toyJob } from '../../support/toy-run.ts'

t.setTimeout(120_000)

t.test('arithmetic that holds its thread does not stop the heartbeats', async (t) => {
  const folder = t.testdir({ model: {} })
  const job = toyJob(join(folder, 'model'), { steps: 3 })
  const run = await startToyRun(t, job, join(folder, 'run'), { faults: [{ blockMs: 2.5 * silenceMs }] })
  await run.result
  t.strictSame(
    run.events.filter(({ type }) => type === 'workerLeft'),
    [],
  )
})

t.test('the watermark is shared memory', async (t) => {
  const mine = new Watermark()
  const theirs = new Watermark(mine.memory)
  mine.set('step', 7)
  mine.add('microBatches', 2)
  mine.add('microBatches', 3)
  mine.add('bytes', 2 ** 31)
  mine.add('bytes', 2 ** 31 + 5)
  t.strictSame(theirs.read(), { step: 7, microBatches: 5, bytes: 5 }, 'counters wrap')
})
