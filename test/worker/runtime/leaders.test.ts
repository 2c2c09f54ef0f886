import t from 'tap'
import { type LeaderRecord, leaderKey } from '../../../protocol/bus/subjects.ts'
import { encodeMessage } from '../../../protocol/frame.ts'
import { protocolVersion } from '../../../protocol/socket.ts'
import { Leaders } from '../../../worker/runtime/leaders.ts'

const runs = { one: '1'.repeat(64), two: '2'.repeat(64) }

function leader(runId: string, epoch: number, others: Partial<LeaderRecord> = {}): LeaderRecord {
  return { protocol: protocolVersion, runId, epoch, coordinator: 'a'.repeat(32), url: '', state: 'running', renewals: 0, ...others }
}

const note = (leaders: Leaders, record: LeaderRecord) => leaders.note(leaderKey(record.runId), encodeMessage(record))

t.test('the newest leader of a run counts', async (t) => {
  const leaders = new Leaders()
  t.equal(leaders.best(null), null)
  t.match(note(leaders, leader(runs.one, 3)), { epoch: 3 })
  t.equal(note(leaders, leader(runs.one, 3, { renewals: 1 })), null, 'a renewal is nothing new')
  t.equal(note(leaders, leader(runs.one, 2)), null, 'an older one is out of date')
  t.match(leaders.best(null), { epoch: 3 })
  t.match(note(leaders, leader(runs.one, 4)), { epoch: 4 })
  t.match(note(leaders, leader(runs.one, 4, { coordinator: 'b'.repeat(32) })), { epoch: 4 }, 'another process')
  t.match(note(leaders, leader(runs.one, 4, { coordinator: 'b'.repeat(32), state: 'finished' })), { state: 'finished' })
  t.equal(leaders.best(null), null)
  t.equal(leaders.get(runs.one)?.state, 'finished')
  note(leaders, leader(runs.one, 5, { coordinator: '0'.repeat(32) }))
  t.equal(leaders.best(null), null, 'a lease that was handed back')
  leaders.note(leaderKey(runs.one), null)
  t.equal(leaders.get(runs.one), null)
})

t.test('of several runs', async (t) => {
  const leaders = new Leaders()
  note(leaders, leader(runs.one, 3))
  note(leaders, leader(runs.two, 5))
  t.equal(leaders.best(null)?.runId, runs.two, 'the highest epoch')
  t.equal(leaders.best(runs.one)?.runId, runs.one, 'one’s own run first')
  leaders.failed(runs.two)
  t.equal(leaders.best(null)?.runId, runs.one, 'who did not answer is asked last')
  note(leaders, leader(runs.two, 5, { renewals: 1 }))
  t.equal(leaders.best(null)?.runId, runs.two, 'until it shows that it lives')
  for (let i = 0; i < 10; i++) leaders.failed(runs.one)
  t.equal(leaders.best(runs.one)?.runId, runs.one, 'a standby has time to take over')
  for (let i = 0; i < 20; i++) leaders.failed(runs.one)
  t.equal(leaders.best(runs.one)?.runId, runs.two, 'but not for ever')
})

t.test('what cannot be read or joined', async (t) => {
  const leaders = new Leaders()
  t.equal(leaders.note(leaderKey(runs.one), Buffer.from('garbage')), null)
  t.equal(leaders.note(leaderKey(runs.two), encodeMessage(leader(runs.one, 1))), null, 'a record under another key')
  t.equal(leaders.best(null), null)
  t.equal(leaders.foreignProtocol, null)
  note(leaders, leader(runs.one, 9, { protocol: protocolVersion + 1 }))
  t.equal(leaders.best(null), null)
  t.equal(leaders.foreignProtocol, protocolVersion + 1)
})
