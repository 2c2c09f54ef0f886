import t from 'tap'
import { gatherMs, regroupMs } from '../../../coordinator/run/progress.ts'
import { hasWork } from '../../../coordinator/run/state.ts'
import { DecidedRun, figures } from '../../support/decided-run.ts'

/* One thing at a time; everything at once, in any order and with any fault, is what test/simulator is for. */

t.test('who may join', async (t) => {
  const run = new DecidedRun({ expectedWorkers: 2 })
  run.open('w1')
  run.open('w2', null, { manifestDigest: 'other' })
  t.match(run.one('dismiss'), { worker: 'w2', code: 'DATA_CHANGED', step: null }, 'other data')
  run.open('w3', null, { forgetDigest: 'other' })
  t.match(run.one('dismiss'), { worker: 'w3', code: 'DATA_CHANGED' }, 'another forget set')
  run.open('w4', null, { engine: 'other' })
  t.match(run.one('dismiss'), { worker: 'w4', code: 'COMPUTE_DIGEST' }, 'another engine')
  run.open('w5', null, {}, 'another parent')
  t.match(run.one('dismiss'), { worker: 'w5', code: 'COMPUTE_DIGEST' }, 'other parameters of the same files')
  t.strictSame([...run.state.members.keys()], ['w1'])

  const resumed = new DecidedRun({}, { dataDigest: 'other data' })
  resumed.open('w1')
  t.match(resumed.one('fail'), { code: 'DATA_CHANGED' }, 'a resumed run that finds other data ends')
})

t.test('the first step waits for those who were announced, but not for ever', async (t) => {
  const run = new DecidedRun({ expectedWorkers: 3 })
  run.open('w1')
  run.open('w2')
  t.strictSame(run.heard(), [])
  run.now = gatherMs - 1
  run.tell({ type: 'tick' })
  t.strictSame(run.heard(), [])
  run.now = gatherMs
  run.tell({ type: 'tick' })
  t.strictSame(run.heard(), ['plan'])

  const again = new DecidedRun({ expectedWorkers: 3 }, { journaled: 1, digests: { 1: 'one' } })
  again.open('w1', { version: 1, digest: 'one', figures })
  again.now = regroupMs
  again.tell({ type: 'tick' })
  t.strictSame(again.heard(), ['plan'], 'those who come back from an earlier leader are there soon')
})

t.test('a step of the central reducer', async (t) => {
  const run = new DecidedRun({ expectedWorkers: 2 })
  run.open('w1')
  run.open('w2')
  const { epoch, step, ranges, slices, audits } = run.one('plan')
  t.strictSame({ epoch, step, slices, audits }, { epoch: 101, step: 0, slices: null, audits: null })
  t.strictSame(ranges, [
    { worker: 'w1', start: 0, end: 4 },
    { worker: 'w2', start: 4, end: 8 },
  ])
  run.tell({ type: 'reduced', epoch: 100, step: 0, ...figures })
  t.strictSame(run.heard(), [], 'what an older plan gave does not count')
  run.reduced()
  t.strictSame(run.heard(), ['release', 'plan'], 'the next plan travels with the direction')
  run.reduced()
  run.at(1, 'one', 'w1')
  t.strictSame(run.heard(), [], 'the next direction waits for everyone')
  run.at(1, 'one', 'w2')
  t.match(run.one('commit'), { version: 1, digest: 'one', workers: 2, ...figures })
  t.equal(run.state.committed, 0, 'and for the disk')
  run.tell({ type: 'committed', version: 1 })
  t.strictSame(run.heard(), ['release', 'plan'])
})

t.test('a step of the sharded reducer', async (t) => {
  const run = new DecidedRun({ expectedWorkers: 2, reducer: 'sharded' })
  run.open('w1')
  run.open('w2')
  const { slices, epoch } = run.one('plan')
  t.strictSame(slices, [
    { worker: 'w1', start: 0, end: 2 * 2 ** 16 },
    { worker: 'w2', start: 2 * 2 ** 16, end: 4 * 2 ** 16 },
  ])
  run.reduced()
  t.strictSame(run.one('release').workers, ['w1', 'w2'])
  run.tell({ type: 'gathered', worker: 'w1', epoch, digest: 'd' })
  t.strictSame(run.heard(), [], 'nobody applies what not everyone has')
  run.tell({ type: 'gathered', worker: 'w2', epoch, digest: 'd' })
  t.strictSame(run.heard(), ['apply', 'plan'])
  t.equal(run.state.version, 1)

  run.at(1, 'one', 'w1', 'w2')
  run.tell({ type: 'committed', version: 1 })
  run.heard()
  run.reduced()
  const second = run.one('release').epoch
  run.tell({ type: 'gathered', worker: 'w1', epoch: second, digest: 'd' }, { type: 'gathered', worker: 'w2', epoch: second, digest: 'e' })
  t.equal(run.one('plan').epoch, second + 1, 'where they have different directions the step is computed again')
  t.equal(run.state.version, 1)

  run.tell({ type: 'left', worker: 'w2', reason: '' })
  t.strictSame(run.one('plan').slices, [{ worker: 'w1', start: 0, end: 4 * 2 ** 16 }], 'so it is where an owner leaves')
})

t.test('the parts of a worker that leaves', async (t) => {
  const run = new DecidedRun({ expectedWorkers: 3 })
  for (const worker of ['w1', 'w2', 'w3']) run.open(worker)
  const { epoch } = run.one('plan')
  run.open('w4')
  run.tell({ type: 'delivered', worker: 'w1', epoch, start: 0, end: 3, computeMs: 30 })
  run.tell({ type: 'left', worker: 'w1', reason: '' })
  t.strictSame(run.heard(), [], 'what has arrived stays')
  run.tell({ type: 'left', worker: 'w3', reason: '' })
  t.strictSame(run.one('assist').ranges, [{ worker: 'w2', start: 5, end: 8 }], 'the rest goes to those who know the plan')
  run.tell({ type: 'left', worker: 'w2', reason: '' })
  t.strictSame(run.one('plan').ranges, [{ worker: 'w4', start: 0, end: 8 }], 'where nobody does, it is planned anew')
})

t.test('a part that is late goes to others too', async (t) => {
  const run = new DecidedRun({ expectedWorkers: 3, steps: 20, checkpointEvery: 20 })
  const workers = ['w1', 'w2', 'w3']
  for (const worker of workers) run.open(worker)
  for (let step = 0; step < 5; step++) {
    const { epoch, parts } = run.state.plan ?? { epoch: 0, parts: new Map() }
    run.now += 40
    for (const [worker, [{ start, end }]] of parts)
      run.tell({ type: 'delivered', worker, epoch, start, end, computeMs: 10 * (end - start) })
    run.step(...workers)
  }
  run.heard()
  const { epoch, parts } = run.state.plan ?? { epoch: 0, parts: new Map() }
  for (const worker of ['w1', 'w2']) {
    const [{ start, end }] = parts.get(worker)
    run.tell({ type: 'delivered', worker, epoch, start, end, computeMs: 10 * (end - start) })
  }
  run.now += 100
  run.tell({ type: 'tick' })
  t.strictSame(run.heard(), [], 'a little late is not late')
  run.now += 2000
  run.tell({ type: 'tick' })
  t.strictSame(new Set(run.one('assist').ranges.map(({ worker }) => worker)), new Set(['w1', 'w2']))
  run.tell({ type: 'tick' })
  t.strictSame(run.heard(), [], 'once')
  run.tell({ type: 'left', worker: 'w3', reason: '' })
  t.strictSame(run.heard(), [], 'it is in other hands already')
})

t.test('who has other parameters', async (t) => {
  const run = new DecidedRun({ expectedWorkers: 3 })
  for (const worker of ['w1', 'w2', 'w3']) run.open(worker)
  run.reduced()
  run.heard()
  const epoch = run.state.plan?.epoch ?? Number.POSITIVE_INFINITY
  run.at(1, 'right', 'w1')
  run.at(1, 'wrong', 'w2')
  run.at(1, 'right', 'w3')
  t.ok((run.state.plan?.epoch ?? 0) > epoch, 'what w2 has computed of the next step by now does not count')
  t.match(run.one('dismiss'), { worker: 'w2', code: 'COMPUTE_DIGEST', step: 1 })
  t.strictSame([...run.state.members.keys()], ['w1', 'w3'])
  t.equal(run.state.digests.get(1), 'right')
})

t.test('two that disagree go back to the last checkpoint, and so it is found out', async (t) => {
  const run = new DecidedRun({ expectedWorkers: 2, checkpointEvery: 1 })
  run.open('w1')
  run.open('w2')
  run.step('w1', 'w2')
  t.equal(run.state.durable, 1)
  run.reduced()
  run.heard()
  run.at(2, 'right', 'w1')
  run.at(2, 'wrong', 'w2')
  t.strictSame(run.heard(), ['sendState', 'sendState'])
  t.equal(run.state.version, 1)
  run.at(1, 'digest 1', 'w1', 'w2')
  run.reduced()
  run.heard()
  run.at(2, 'right', 'w1', 'w2')
  t.match(run.one('dismiss'), { worker: 'w2', step: 2 })
})

t.test('two that disagree twice end the run', async (t) => {
  const run = new DecidedRun({ expectedWorkers: 2 })
  run.open('w1')
  run.open('w2')
  run.reduced()
  run.at(1, 'a', 'w1')
  run.heard()
  run.at(1, 'b', 'w2')
  t.strictSame(run.heard(), ['restart', 'restart'], 'before the first checkpoint they read the parent again')
  run.open('w3')
  run.open('w4')
  run.reduced()
  run.heard()
  run.at(1, 'a', 'w3')
  run.at(1, 'b', 'w4')
  t.match(run.one('fail'), { code: 'COMPUTE_DIGEST' })
})

t.test('an audit that two workers see differently', async (t) => {
  const audited = () => {
    const run = new DecidedRun({ expectedWorkers: 3, auditEvery: 2 })
    for (const worker of ['w1', 'w2', 'w3']) run.open(worker)
    return run
  }
  const dispute = (run: DecidedRun, epoch: number) =>
    run.tell({
      type: 'disputed',
      ...{ epoch, step: 0, start: 0, end: 3 },
      claims: [
        { worker: 'w1', digest: 'wrong' },
        { worker: 'w2', digest: 'right' },
      ],
    })
  const run = audited()
  const { epoch, audits } = run.one('plan')
  t.strictSame(
    audits?.map(({ worker, start }) => [worker, start]),
    [
      ['w2', 0],
      ['w3', 3],
      ['w1', 5],
    ],
    'each range goes to the next worker too',
  )
  dispute(run, epoch)
  const trial = run.one('trial')
  t.match(trial, { epoch: epoch + 1, step: 0, start: 0, end: 3, workers: ['w1', 'w2', 'w3'] })
  for (const worker of ['w1', 'w2']) run.tell({ type: 'voted', worker, epoch: trial.epoch, digest: worker === 'w1' ? 'wrong' : 'right' })
  t.strictSame(run.heard(), [])
  run.tell({ type: 'voted', worker: 'w3', epoch: trial.epoch, digest: 'right' })
  t.strictSame(run.heard(), ['dismiss', 'plan'])
  t.strictSame([...run.state.members.keys()], ['w2', 'w3'])

  const lonely = audited()
  const first = lonely.one('plan').epoch
  dispute(lonely, first)
  for (const worker of ['w1', 'w2', 'w3']) lonely.tell({ type: 'left', worker, reason: '' })
  t.equal(lonely.state.phase, 'train', 'where everyone left before a majority was found, nothing is decided')
  lonely.heard()
  lonely.open('w4')
  t.equal(lonely.one('plan').audits, null)

  const second = audited()
  second.step('w1', 'w2', 'w3')
  t.equal(second.state.plan?.isAudited, false, 'every second step')
})

t.test('what workers hold when another coordinator takes over', async (t) => {
  const journal = { journaled: 2, digests: { 1: 'one', 2: 'two' } }
  const held = (version: number, digest: string, known = true) => ({ version, digest, figures: known ? figures : null })

  const run = new DecidedRun({ expectedWorkers: 2 }, journal)
  run.open('w1', held(3, 'three'))
  run.open('w2', held(2, 'two'))
  t.match(run.one('commit'), { version: 3, digest: 'three', ...figures }, 'a step that only workers know goes on')
  run.tell({ type: 'committed', version: 3 })
  const { ticket } = run.one('export')
  run.tell({ type: 'exported', worker: 'w1', ticket, version: 3, digest: 'three' })
  t.match(run.one('sendState'), { worker: 'w2', version: 3 }, 'and is copied to who does not have it')

  const unknown = new DecidedRun({}, journal)
  unknown.open('w1', held(3, 'three', false))
  t.match(unknown.one('restart'), { worker: 'w1' }, 'but for one whose figures nobody has')
  t.equal(unknown.state.version, 0)

  const wrong = new DecidedRun({}, { ...journal, durable: 1 })
  wrong.open('w1', held(2, 'other'))
  t.match(wrong.one('sendState'), { worker: 'w1', version: 1, ticket: null }, 'nor parameters that the journal does not know')
})

t.test('where a repeated step may give other bits', async (t) => {
  const run = new DecidedRun({ isExact: false, checkpointEvery: 10, steps: 20 })
  run.open('w1')
  run.step('w1')
  run.reduced()
  run.at(2, 'two', 'w1')
  run.heard()
  run.tell({ type: 'left', worker: 'w1', reason: '' })
  t.strictSame(run.heard(), [], 'what is being written is waited for')
  run.tell({ type: 'committed', version: 2 })
  t.match(run.one('rewind'), { version: 0 }, 'and then taken back')
  t.strictSame([...run.state.digests.keys()], [0])
  run.open('w2', { version: 2, digest: 'two', figures })
  t.match(run.one('restart'), { worker: 'w2' })

  const two = new DecidedRun({ isExact: false, expectedWorkers: 2 }, { journaled: 1, digests: { 1: 'one' } })
  two.open('w1', { version: 2, digest: 'two', figures })
  two.open('w2', { version: 2, digest: 'another two', figures })
  t.match(two.one('commit'), { version: 2, digest: 'two', workers: 1 }, 'of two that bring the same step from two leaders one counts')
})

t.test('a checkpoint that is being written is a place to go on from', async (t) => {
  const run = new DecidedRun({ checkpointEvery: 1 })
  run.open('w1')
  run.reduced()
  run.at(1, 'one', 'w1')
  run.tell({ type: 'committed', version: 1 })
  const { ticket } = run.one('export')
  run.tell({ type: 'exported', worker: 'w1', ticket, version: 1, digest: 'one' }, { type: 'left', worker: 'w1', reason: '' })
  run.open('w2')
  t.strictSame(run.heard(), ['save'])
  run.tell({ type: 'saved', version: 1 })
  t.match(run.one('sendState'), { worker: 'w2', version: 1, ticket: null })
})

t.test('a direction waits for a worker that would apply it to old parameters', async (t) => {
  const run = new DecidedRun({ expectedWorkers: 2, isExact: false }, { durable: 1, journaled: 1, digests: { 1: 'one' } })
  run.open('w1', { version: 1, digest: 'one', figures })
  run.open('w2', { version: 1, digest: 'of another leader', figures })
  run.heard()
  run.reduced()
  t.strictSame(run.heard(), [], 'it holds version 1 of its own while the right one is on its way')
  run.at(1, 'one', 'w2')
  t.strictSame(run.one('release').workers, ['w1', 'w2'])
})

t.test('a worker that loads its state too slowly is parted from', async (t) => {
  const large = { parameterCount: 2 ** 30 }
  const run = new DecidedRun({ steps: 20, checkpointEvery: 20 })
  run.open('w1', null, large)
  run.step('w1')
  run.open('w2', null, large)
  run.step('w1')
  t.match(run.state.members.get('w2'), { given: 1, version: null })
  while (run.state.version < 5) run.step('w1')
  t.notOk(run.heard().includes('part'))
  run.step('w1')
  t.ok(run.heard().includes('part'), 'before directions pile up behind it')
})

t.test('what the run waits for a worker for', async (t) => {
  const run = new DecidedRun({ stops: [0], units: 1, checkpointEvery: 1 })
  t.notOk(hasWork(run.state, 'w1'), 'before it is a member')
  run.open('w1')
  t.ok(hasWork(run.state, 'w1'), 'a measurement')
  run.tell({ type: 'evaluated', worker: 'w1', version: 0, unit: 0, rewinds: 0 })
  const { epoch } = run.one('plan')
  t.ok(hasWork(run.state, 'w1'), 'its part of a step')
  run.tell({ type: 'delivered', worker: 'w1', epoch, start: 0, end: 8, computeMs: 1 })
  t.notOk(hasWork(run.state, 'w1'), 'it may wait for others')
  run.reduced()
  t.ok(hasWork(run.state, 'w1'), 'a direction that it has not applied')
  run.at(1, 'one', 'w1')
  const next = run.state.plan?.epoch ?? 0
  run.tell({ type: 'delivered', worker: 'w1', epoch: next, start: 0, end: 8, computeMs: 1 })
  t.notOk(hasWork(run.state, 'w1'))
  run.tell({ type: 'committed', version: 1 })
  t.ok(hasWork(run.state, 'w1'), 'an export')
  run.tell({ type: 'left', worker: 'w1', reason: '' })
  t.notOk(hasWork(run.state, 'w1'))
})

t.test('a worker that asks to leave', async (t) => {
  const run = new DecidedRun({ expectedWorkers: 2, checkpointEvery: 10, steps: 20 })
  run.open('w1')
  run.open('w2')
  const { epoch } = run.one('plan')
  run.tell({ type: 'leaving', worker: 'w1' })
  t.strictSame(run.heard(), [], 'does what it has in hand')
  run.tell({ type: 'delivered', worker: 'w1', epoch, start: 0, end: 4, computeMs: 1 })
  run.tell({ type: 'tick' })
  t.match(run.one('excuse'), { worker: 'w1' })

  run.step('w2')
  run.heard()
  run.tell({ type: 'leaving', worker: 'w2' })
  t.ok(run.state.members.has('w2'), 'the only copy stays until it is saved')
  const asked = run.one('export')
  t.match(asked, { worker: 'w2', version: 1, files: true })
  run.tell({ type: 'exported', worker: 'w2', ticket: asked.ticket, version: 1, digest: 'digest 1' }, { type: 'saved', version: 1 })
  t.ok(run.state.members.has('w2'), 'nor does it leave a part undone')
  run.tell({ type: 'delivered', worker: 'w2', epoch: run.state.plan?.epoch ?? 0, start: 0, end: 8, computeMs: 1 }, { type: 'tick' })
  t.notOk(run.state.members.has('w2'))
})

t.test('measurements', async (t) => {
  const run = new DecidedRun({ steps: 0, microBatches: 0, expectedWorkers: 2, stops: [0], units: 3 })
  run.open('w1')
  run.open('w2')
  t.strictSame(run.heard(), ['evaluate', 'evaluate'])
  run.tell({ type: 'left', worker: 'w1', reason: '' })
  run.tell({ type: 'evaluated', worker: 'w2', version: 0, unit: 1, rewinds: 0 })
  t.match(run.one('evaluate'), { worker: 'w2', unit: 0 }, 'the unit of one that left comes first')
  run.tell(
    { type: 'evaluated', worker: 'w2', version: 0, unit: 0, rewinds: 0 },
    { type: 'evaluated', worker: 'w2', version: 0, unit: 2, rewinds: 0 },
  )
  t.ok(run.heard().includes('finish'))
  run.tell({ type: 'tick' })
  t.strictSame(run.heard(), [], 'what comes later is not heard')
})
