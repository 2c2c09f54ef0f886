import { join } from 'node:path'
import t from 'tap'
import { sissJob } from '../support/siss-job.ts'
import { lethe, running, workerPid } from './command.ts'

/* The one promise, through the command that users type: SISS on real digits, every process real, every death a SIGKILL. */

t.setTimeout(280_000)

const steps = 14

t.test('1, 2 and 3 workers, a killed worker and a killed coordinator end in one checkpoint', async (t) => {
  const { cwd, file } = sissJob(t, { steps, checkpointEvery: 4 })
  const reports: Record<string, { checkpoint: { sha256: string }; forget: object; keep: object; history: object[] }> = {}
  for (const workers of ['1', '2', '3']) {
    const run = await lethe(['run', file, '--workers', workers, '--out', workers, '--json'], { cwd })
    t.equal(run.status, 0, run.stderr)
    reports[`${workers} workers`] = JSON.parse(run.stdout)
  }

  const killed = await running(cwd, [file, '--workers', '2', '--out', 'killed', '--json'], 4, () => {
    process.kill(workerPid(join(cwd, 'killed'), 1), 'SIGKILL')
  })
  t.equal(killed.status, 0, killed.stderr)
  t.match(killed.stderr, /worker process 1 died \(ended by SIGKILL\)/, 'the death is told')
  reports['2 workers, one killed and replaced'] = JSON.parse(killed.stdout)

  const lost = await running(cwd, [file, '--workers', '2', '--out', 'lost', '--json'], 6, (pid) => process.kill(pid, 'SIGKILL'))
  t.equal(lost.status, null, 'the coordinator was killed')
  const resumed = await lethe(['run', file, '--workers', '2', '--out', 'lost', '--json'], { cwd })
  t.equal(resumed.status, 0, resumed.stderr)
  reports['the coordinator killed, resumed'] = JSON.parse(resumed.stdout)

  const expected = reports['1 workers']
  t.equal(expected.history.length, steps)
  for (const [name, { checkpoint, forget, keep, history }] of Object.entries(reports)) {
    t.equal(checkpoint.sha256, expected.checkpoint.sha256, name)
    t.strictSame(
      { forget, keep, history },
      { forget: expected.forget, keep: expected.keep, history: expected.history },
      `${name}: every figure`,
    )
  }
})
