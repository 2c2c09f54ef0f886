import t from 'tap'
import { type ExperimentRunOptions, runJobs } from '../../cli/experiment-run.ts'
import { LetheError } from '../../protocol/errors.ts'
import type { ExperimentJob } from '../../protocol/experiment/expansion.ts'

type Outcomes = ExperimentRunOptions['outcomes']

const job = (id: string, ...dependsOn: string[]) => ({ id, dependsOn }) as unknown as ExperimentJob
const failure = new LetheError('COMPUTE_NOT_FINITE', { message: 'it diverged' })

t.test('a job that fails takes with it what needs it, and nothing else', async (t) => {
  const ran: string[] = []
  const notes: string[] = []
  const run = async ({ id }: ExperimentJob) => {
    ran.push(id)
    if (id === 'b') throw failure
    return { wasFinished: false }
  }
  const jobs = [job('a'), job('b', 'a'), job('c', 'b'), job('d', 'c'), job('e', 'a')]
  const outcomes: Outcomes = new Map()
  const { error } = await runJobs(jobs, { run, outcomes, note: (text) => notes.push(text) })
  t.same(ran, ['a', 'b', 'e'])
  t.equal(error, failure)
  t.same(
    [...outcomes].map(([id, { state }]) => `${id} ${state}`),
    ['a finished', 'b failed', 'c skipped', 'd skipped', 'e finished'],
  )
  t.match(notes.join('\n'), /job 3 of 5: c is skipped, it needs b/)
  t.match(notes.join('\n'), /b failed: COMPUTE_NOT_FINITE: it diverged/)
})

t.test('the time that is left is judged by what was computed now, not by what was there', async (t) => {
  let clock = 0
  const notes: string[] = []
  const run = async ({ id }: ExperimentJob) => {
    if (id === 'old') return { wasFinished: true }
    clock += 60_000
    return { wasFinished: false }
  }
  const options = { run, outcomes: new Map(), note: (text: string) => notes.push(text), now: () => clock }
  const { error } = await runJobs([job('old'), job('new'), job('next'), job('last')], options)
  t.equal(error, null)
  t.same(notes, [
    'job 1 of 4: old',
    'old was finished before',
    'job 2 of 4: new',
    'job 3 of 4: next (1 min 00 s used, about 2 min 00 s left)',
    'job 4 of 4: last (2 min 00 s used, about 1 min 00 s left)',
  ])
})

t.test('Ctrl-C ends it at once', async (t) => {
  const ran: string[] = []
  const outcomes: Outcomes = new Map()
  const run = async ({ id }: ExperimentJob) => {
    ran.push(id)
    throw id === 'a' ? failure : new LetheError('INTERRUPTED', { message: 'stopped' })
  }
  await t.rejects(runJobs([job('a'), job('b'), job('c')], { run, outcomes, note: () => {} }), { code: 'INTERRUPTED' })
  t.same(ran, ['a', 'b'])
  const error = { code: 'COMPUTE_NOT_FINITE', message: 'it diverged' }
  t.same([...outcomes], [['a', { state: 'failed', error }]], 'what has ended before is known')
})
