import t from 'tap'
import { sha256 } from '../../../protocol/digest.ts'
import type { Job } from '../../../protocol/job.ts'
import type { Welcome } from '../../../protocol/messages.ts'
import { Holdings, heldOf, parentComplete } from '../../../worker/runtime/holdings.ts'
import type { JobSession } from '../../../worker/session.ts'
import { toyJob } from '../../support/toy-run.ts'
import { toyOpener, toyParameters } from '../../support/toy-session.ts'

const runOf = (text: string) => sha256(Buffer.from(text))
const files = [{ path: 'config.json', bytes: new Uint8Array(2) }]

function welcomeOf(runId: string, job: Job): Welcome {
  const key = runOf('key')
  return {
    type: 'welcome',
    worker: 'w1',
    memberKey: key,
    address: key.slice(32),
    heartbeatMs: 250,
    runId,
    job,
    files: [],
    reducer: 'central',
    meshKey: key,
  }
}

t.test('a session is kept for its run and its job', async (t) => {
  const disposed: JobSession[] = []
  const holdings = new Holdings(async (job, given) => {
    const session = await toyOpener()(job, given)
    return Object.assign(session, { dispose: () => disposed.push(session) })
  })
  const job = toyJob(t.testdir())
  const welcome = welcomeOf(runOf('one'), job)
  t.equal(holdings.get(welcome), null)
  const holding = await holdings.open(welcome, files)
  t.equal(await holdings.get({ ...welcome, worker: 'w7', memberKey: runOf('other') }), holding, 'another membership finds it')
  t.equal(heldOf(holding), null, 'the parent is not told')
  const figures = { losses: {}, norms: {}, updateNorm: 1 }
  holding.session.apply(0, new Float32Array(toyParameters).fill(1))
  holding.figures = figures
  t.strictSame(heldOf(holding), { version: 1, digest: holding.session.digest(), figures })
  t.not(holding.parentDigest, holding.session.digest())

  t.equal(holdings.get({ ...welcome, job: { ...job, seed: 8 } }), null, 'another job is another session')
  const other = welcomeOf(runOf('two'), job)
  t.equal(holdings.get(other), null, 'and so is another run')
  await holdings.open(other, files)
  t.strictSame(disposed, [holding.session], 'the old one is put away')
  await holdings.dispose()
  t.equal(disposed.length, 2)
  t.equal(holdings.get(other), null)
})

t.test('what does not open leaves nothing behind', async (t) => {
  const holdings = new Holdings(toyOpener({ openError: 'CHECKPOINT_FORMAT' }))
  const welcome = welcomeOf(runOf('one'), toyJob(t.testdir()))
  await t.rejects(holdings.open(welcome, files), { code: 'CHECKPOINT_FORMAT' })
  t.equal(holdings.get(welcome), null)
})

t.test('the files of the parent', async (t) => {
  const bytes = new Uint8Array([1])
  const announced = [{ path: 'a', sha256: sha256(bytes) }]
  t.equal(parentComplete(announced, new Map()), null)
  t.strictSame(parentComplete(announced, new Map([['a', bytes]])), [{ path: 'a', bytes }])
  t.throws(() => parentComplete(announced, new Map([['a', new Uint8Array([2])]])), { code: 'CONNECTION_FRAME' })
})
