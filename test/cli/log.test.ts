import t from 'tap'
import { openLog } from '../../cli/log.ts'

t.test('LETHE_LOG sets the level and must be one', async (t) => {
  const { LETHE_LOG } = process.env
  t.teardown(() => {
    if (LETHE_LOG === undefined) delete process.env.LETHE_LOG
    else process.env.LETHE_LOG = LETHE_LOG
  })
  delete process.env.LETHE_LOG
  t.equal(openLog('worker', 'info').level, 'info')
  process.env.LETHE_LOG = 'debug'
  t.equal(openLog('worker', 'info').level, 'debug')
  process.env.LETHE_LOG = 'loud'
  t.throws(() => openLog('worker', 'info'), { code: 'USAGE', received: 'loud' })
})
