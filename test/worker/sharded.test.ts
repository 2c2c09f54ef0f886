import t, { type Test } from 'tap'
import { blockElements } from '../../protocol/blocks.ts'
import type { UnlearnJob } from '../../protocol/job.ts'
import type { Slice, StepFigures } from '../../protocol/messages.ts'
import { FakeCoordinator, fakeFiles, until } from '../support/fake-coordinator.ts'
import { joinWorker, opened } from '../support/joined-worker.ts'
import { toyJob } from '../support/toy-run.ts'
import { toyOpener } from '../support/toy-session.ts'

t.setTimeout(120_000)

const parameters = 3 * blockElements + 100
const faults = { parameters }
const coefficients = { keep: 0.75, forget: -0.3 }
const figures: StepFigures = { losses: { keep: 1 }, norms: { keep: 2 }, updateNorm: 3 }
const slices: Slice[] = [
  { worker: 'w1', start: 0, end: 2 * blockElements },
  { worker: 'w2', start: 2 * blockElements, end: parameters },
]

/** What one worker would get: digests of the parameters after each step. */
async function alone(job: UnlearnJob, steps: number): Promise<string[]> {
  const session = await toyOpener(faults)(job, fakeFiles)
  const digests: string[] = []
  for (let step = 0; step < steps; step++) {
    const options = { signal: new AbortController().signal, onMicroBatch: () => {} }
    const [keep, forget] = await session.partials(step, 0, session.summary.microBatches, options)
    const direction = keep.gradient.map((value, i) => coefficients.keep * value + coefficients.forget * forget.gradient[i])
    digests.push(session.apply(step, direction))
  }
  return digests
}

async function pair(t: Test, isDirect: boolean) {
  const job = toyJob(t.testdir())
  const fake = await FakeCoordinator.start(t, job, { reducer: 'sharded' })
  const workers = [joinWorker(t, fake.url, faults), joinWorker(t, fake.url, faults)]
  const members = [await opened(fake, 0), await opened(fake, 1)]
  const peers = members.map((member) => ({ worker: member.worker, url: isDirect ? (member.said('opened')?.meshUrl ?? null) : null }))
  for (const member of members) member.post({ type: 'peers', peers })
  return { job, fake, workers, members }
}

for (const isDirect of [true, false])
  t.test(`two workers share the reduction ${isDirect ? 'over sockets of their own' : 'through the coordinator'}`, async (t) => {
    const { job, fake, workers, members } = await pair(t, isDirect)
    const expected = await alone(job, 2)
    const said = <Type extends Parameters<(typeof members)[0]['said']>[0]>(type: Type, epoch: number) =>
      members.flatMap(({ messages }) =>
        messages.filter((message) => message.type === type && 'epoch' in message && message.epoch === epoch),
      )

    for (const step of [0, 1]) {
      const epoch = 10 + 2 * step
      const plan = { type: 'assign', epoch, step, audit: null, slices } as const
      members[0].post({ ...plan, start: 0, end: 6 })
      members[1].post({ ...plan, start: 6, end: 11 })
      await until(() => said('computed', epoch).length === 2 && said('sliced', epoch).length === 2)
      const [computed] = said('computed', epoch)
      t.match(computed, { step, start: 0, end: 6, terms: [{ channel: 'keep', level: 2, index: 0 }, { level: 1, index: 2 }, {}, {}] })
      const to = members.map(({ worker }) => worker)
      for (const member of members) member.post({ type: 'combine', epoch, step, coefficients, to, figures })
      await until(() => said('gathered', epoch).length === 2)
      const digests = said('gathered', epoch).map((message) => (message.type === 'gathered' ? message.sha256 : ''))
      t.equal(new Set(digests).size, 1, 'both have the same direction')
      // The plan of the next step may overtake the word to apply this one.
      for (const member of members) member.post({ ...plan, epoch: epoch + 1, step: step + 1, start: 0, end: 0 })
      for (const member of members) member.post({ type: 'apply', epoch, step })
      await until(() => members.every(({ messages }) => messages.filter(({ type }) => type === 'at').length === step + 1))
    }
    for (const member of members)
      t.strictSame(
        member.messages.flatMap((message) => (message.type === 'at' ? [message.digest] : [])),
        expected,
        'the bits of a single worker',
      )
    t.equal(fake.relayed > 0, !isDirect)
    t.strictSame(
      members.flatMap(({ transfers }) => transfers),
      [],
      'no tensor stays with the coordinator',
    )

    await fake.lead(2)
    await until(() => fake.members.length === 4 && fake.members.every((member) => member.said('opened')))
    const held = fake.members.slice(2).map((member) => member.said('opened')?.held)
    t.strictSame(
      held,
      [1, 2].map(() => ({ version: 2, digest: expected[1], figures })),
    )
    for (const member of fake.members) member.post({ type: 'finish', reason: 'the test is over' })
    await Promise.all(workers.map(({ ended }) => ended))
  })

t.test('an apply without a direction ends the worker', async (t) => {
  const { workers, members } = await pair(t, true)
  members[0].post({ type: 'apply', epoch: 1, step: 0 })
  members[1].post({ type: 'finish', reason: 'the test is over' })
  // Whichever of the two joined first.
  const endings = await Promise.allSettled(workers.map(({ ended }) => ended))
  t.strictSame(
    endings.flatMap((ending) => (ending.status === 'rejected' ? [ending.reason.code] : [])),
    ['CONNECTION_FRAME'],
  )
  t.match(members[0].said('failed'), { error: { code: 'CONNECTION_FRAME' } })
})
