import fc from 'fast-check'
import t from 'tap'
import { decide } from '../../../coordinator/run/decide.ts'
import { hasWork, initialState, type RunSettings } from '../../../coordinator/run/state.ts'
import { SimulatedRun } from '../../support/simulated-run.ts'

t.setTimeout(120_000)

const maxActions = 20_000

/** First possible action, and now and then time passes: the run without any fault. */
function complete(run: SimulatedRun): void {
  for (let i = 0; i < maxActions && !run.isFinished && run.failure === null; i++) {
    const [first] = run.possible()
    if (first) first()
    else run.tick()
  }
}

function settings(fields: Partial<RunSettings> = {}): RunSettings {
  return { steps: 7, microBatches: 5, checkpointEvery: 3, expectedWorkers: 1, units: { before: 3, after: 3 }, ...fields }
}

function undisturbed(one: RunSettings): string[] {
  const run = new SimulatedRun(one)
  run.join()
  complete(run)
  if (!run.isFinished) throw new Error(`the run without faults does not end: ${run.failure}`)
  return run.commits
}

t.test('a run without faults', async (t) => {
  const one = settings()
  const commits = undisturbed(one)
  t.equal(commits.length, 7)
  const run = new SimulatedRun({ ...one, expectedWorkers: 3 })
  for (let i = 0; i < 3; i++) run.join()
  complete(run)
  t.strictSame(run.commits, commits, 'three workers')
  t.equal(run.checkpoint.version, 7)
})

t.test('a worker whose state does not arrive is parted from before directions pile up', async (t) => {
  const run = new SimulatedRun(settings({ steps: 20, checkpointEvery: 20 }))
  run.join()
  while (run.state.version < 2) run.possible()[0]()
  run.join()
  let most = 0
  for (let i = 0; i < maxActions && run.parted === 0; i++) {
    run.possible((worker) => worker === 'w2')[0]()
    most = Math.max(most, ...run.backlogs)
  }
  t.equal(run.parted, 1)
  t.ok(most <= 4, `${most} directions`)
  complete(run)
  t.ok(run.isFinished, 'it comes back, and the run ends')
})

t.test('other data', async (t) => {
  const summary = {
    parameterCount: 1,
    channels: ['keep'],
    microBatches: 5,
    manifestDigest: 'a',
    forgetDigest: 'f',
    items: 1,
    forgetItems: 0,
    engine: 'x',
  }
  const opened = (worker: string, manifestDigest: string) =>
    ({ type: 'opened', worker, digest: 'd', summary: { ...summary, manifestDigest } }) as const
  const nothing = { durable: 0, journaled: 0, digests: {}, evaluated: { before: new Set<number>(), after: new Set<number>() } }
  const fresh = initialState(settings(), { ...nothing, dataDigest: null })
  const { state } = decide(fresh, opened('w1', 'a'), 0)
  const later = decide(state, opened('w2', 'b'), 0)
  const chosen = { ...opened('w2', 'a'), summary: { ...summary, forgetDigest: 'g' } }
  t.match(decide(state, chosen, 0).commands, [{ type: 'dismiss', worker: 'w2', code: 'DATA_CHANGED' }], 'so is one with another forget set')
  t.match(later.commands, [{ type: 'dismiss', worker: 'w2', code: 'DATA_CHANGED' }], 'a later worker is dismissed')
  t.equal(later.state.members.length, 1)
  const alone = decide(decide(state, { type: 'left', worker: 'w1', reason: '' }, 0).state, opened('w2', 'b'), 0)
  t.match(alone.commands, [{ type: 'dismiss', worker: 'w2', code: 'DATA_CHANGED' }], 'where nobody else is left too')
  const resumed = decide(initialState(settings(), { ...nothing, dataDigest: 'a f' }), opened('w1', 'b'), 0)
  t.match(resumed.commands, [{ type: 'fail', code: 'DATA_CHANGED' }], 'at the start of a resumed run the data have changed')
})

t.test('what the run waits for a worker for', async (t) => {
  const run = new SimulatedRun(settings({ steps: 4, units: { before: 0, after: 2 } }))
  run.join()
  const owes = (isAwaited = false) => hasWork(run.state, 'w1', () => isAwaited)
  t.notOk(owes(), 'before it is a member')
  run.possible()[0]()
  t.ok(owes(true), 'partials, until the last one is here')
  t.notOk(owes(false), 'it may wait for others')
  while (run.state.version === 0) run.possible()[0]()
  t.ok(owes(), 'a direction that it has not applied')
  while (run.state.phase === 'train' && run.state.export === null) run.possible()[0]()
  t.ok(owes(), 'an export')
  while (run.state.phase === 'train') run.possible()[0]()
  t.ok(owes(), 'a measurement')
  run.kill(0)
  t.notOk(owes())
})

t.test('a job that only evaluates', async (t) => {
  const run = new SimulatedRun(settings({ steps: 0, microBatches: 0, units: { before: 0, after: 4 } }))
  run.join()
  complete(run)
  t.ok(run.isFinished)
  t.strictSame(run.commits, [])
})

/**
 * Any order of what may happen, with deaths, arrivals and crashes of the coordinator in between: the run is never stuck, commits every
 * step once, with the digests of the run without faults.
 */
t.test('any schedule of faults', async (t) => {
  const one = settings()
  const commits = undisturbed(one)
  const action = fc.record({ kind: fc.nat({ max: 99 }), pick: fc.nat({ max: 1000 }) })
  const property = fc.property(
    fc.array(action, { maxLength: 400, size: 'max' }),
    fc.integer({ min: 1, max: 3 }),
    (actions, expectedWorkers) => {
      const run = new SimulatedRun({ ...one, expectedWorkers })
      for (let i = 0; i < expectedWorkers; i++) run.join()
      for (const { kind, pick } of actions) {
        if (run.isFinished || run.failure !== null) break
        const possible = run.possible()
        if (kind < 3 && run.workers > 0) run.kill(pick)
        else if (kind < 6 && run.workers < 5) run.join()
        else if (kind === 6) run.crash()
        else if (kind < 10 || possible.length === 0) run.tick()
        else possible[pick % possible.length]()
      }
      if (run.workers === 0) run.join()
      complete(run)
      if (run.failure !== null) throw new Error(run.failure)
      if (!run.isFinished) throw new Error(`stuck in ${run.state.phase} at version ${run.state.version}`)
      const measured = [...run.evaluated.before.values(), ...run.evaluated.after.values()]
      if (measured.join() !== '1,1,1,1,1,1') throw new Error(`measured ${measured.join()}`)
      return (
        run.commits.join() === commits.join() && run.checkpoint.version === one.steps && run.checkpoint.digest === commits[one.steps - 1]
      )
    },
  )
  fc.assert(property, { numRuns: 500, endOnFailure: true })
  t.pass('500 schedules')
})
