import t from 'tap'
import type { ClusterEvent } from './events.ts'
import { costs, type Injected, quietStepsMs, stepsRepeated } from './measure.ts'

/* A run of one step a second; the tests take pieces out and put faults in. */

const plan = (at: number, step: number, coordinator = 1): ClusterEvent => ({ at, type: 'planned', step, epoch: 1, coordinator })
const commit = (at: number, done: number, coordinator = 1): ClusterEvent => ({
  at,
  type: 'progress',
  phase: 'train',
  done,
  total: 99,
  losses: {},
  coordinator,
})
const steps = (from: number, to: number, at: number, coordinator = 1) =>
  Array.from({ length: to - from }, (_, i) => [
    plan(at + 1000 * i, from + i, coordinator),
    commit(at + 1000 * (i + 1), from + i + 1, coordinator),
  ]).flat()
const left = (at: number, worker: string): ClusterEvent => ({ at, type: 'workerLeft', worker, reason: '', workers: 1, coordinator: 1 })
const fault = (kind: Injected['kind'], at: number, rest: Partial<Injected> = {}): Injected => ({
  kind,
  at,
  until: at,
  worker: null,
  hasOthers: true,
  hasStandby: true,
  ...rest,
})

t.test('a killed worker: noticed when its leader parts from it, over with the next commit', async (t) => {
  // The step that it was part of took a second longer.
  const events = [...steps(0, 5, 0), left(5900, 'w1'), plan(5000, 5), commit(7000, 6), ...steps(6, 9, 7000)]
  const [cost] = costs([fault('worker killed', 5500, { worker: 'w1' })], events)
  t.match(cost, { noticedMs: 400, nextStepMs: 1500, isAlone: true, wentBack: false })
  t.strictSame(quietStepsMs([cost], events), [1000, 1000, 1000, 1000, 1000, 1000, 1000], 'the slow step is not a quiet one')
  t.equal(stepsRepeated(events), 0)

  const [stranger] = costs([fault('worker killed', 5500, { worker: 'w2' })], events)
  t.match(stranger, { noticedMs: null, nextStepMs: 1500 })
})

t.test('a killed leader: noticed when another one leads; a step is given out again', async (t) => {
  const events: ClusterEvent[] = [
    ...steps(0, 5, 0),
    plan(5000, 5),
    { at: 9500, type: 'leading', epoch: 2, coordinator: 2 },
    ...steps(5, 8, 10_000, 2),
  ]
  const [cost] = costs([fault('leader killed', 5100)], events)
  t.match(cost, { noticedMs: 4400, nextStepMs: 5900, isAlone: true, wentBack: false })
  t.equal(stepsRepeated(events), 1)
})

t.test('where all copies are lost the run goes back', async (t) => {
  const events = [...steps(0, 5, 0), plan(5000, 5), left(5200, 'w1'), plan(8000, 4), plan(9000, 5), commit(10_000, 6)]
  const [cost] = costs([fault('worker killed', 5100, { worker: 'w1' })], events)
  t.match(cost, { nextStepMs: 4900, wentBack: true })
  t.equal(stepsRepeated(events), 2)
})

t.test('faults that meet are not alone', async (t) => {
  const events = [...steps(0, 5, 0), left(5900, 'w1'), ...steps(5, 20, 6000)]
  const killed = fault('worker killed', 5500, { worker: 'w1' })
  const alone = (...faults: Injected[]) => costs(faults, events).map(({ isAlone }) => isAlone)
  t.strictSame(alone(killed, fault('worker joins', 6500)), [false, false], 'a second one before the next step')
  t.strictSame(alone(killed, fault('worker joins', 7500)), [true, false], 'or shortly after it')
  t.strictSame(alone(killed, fault('worker joins', 9500)), [true, true])
  t.strictSame(alone(fault('nats paused', 1000, { until: 5600 }), killed), [false, false], 'one that lasts')
})

t.test('what was never over is told as such', async (t) => {
  const [cost] = costs([fault('nats killed', 5500, { until: 8000 })], steps(0, 5, 0))
  t.match(cost, { noticedMs: null, nextStepMs: null })
})
