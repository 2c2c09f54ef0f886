import { join } from 'node:path'
import type { Test } from 'tap'
import { channelsIn } from '../../protocol/rounds.ts'
import { methodJobs } from '../support/method-jobs.ts'
import { lethe, running, workerPid } from './command.ts'

/*
 * The promise for every method and for the attack, through the command: one worker, and three of which one is killed, end in the same
 * checkpoint with the same figures. The methods are divided among the test files that run this.
 */
export async function sameBits(t: Test, part: number, parts: number): Promise<void> {
  const { cwd, files } = await methodJobs(t, { steps: 24, checkpointEvery: 10 })
  for (const [index, file] of files.entries()) {
    if (index % parts !== part) continue
    const alone = await lethe(['run', file, '--workers', '1', '--out', `${file}-1`, '--json'], { cwd })
    t.equal(alone.status, 0, alone.stderr)
    const three = await running(cwd, [file, '--workers', '3', '--out', `${file}-3`, '--json'], 3, () => {
      process.kill(workerPid(join(cwd, `${file}-3`), 1), 'SIGKILL')
    })
    t.equal(three.status, 0, three.stderr)
    t.match(three.stderr, /worker process 1 died \(ended by SIGKILL\)/, `${file}: a worker was killed`)
    const [one, other] = [JSON.parse(alone.stdout), JSON.parse(three.stdout)]
    t.equal(other.checkpoint.sha256, one.checkpoint.sha256, file)
    for (const { phase, losses, norms } of one.history)
      for (const told of [losses, norms])
        t.same(Object.keys(told), channelsIn(one.job.method, phase), 'what a round computed, and no zeros')
    const figures = ({ history, forget, keep, samples, membership, distance, attack }: Record<string, unknown>) => ({
      ...{ history, forget, keep, samples, membership, distance, attack },
    })
    t.strictSame(figures(other), figures(one), `${file}: every figure`)
  }
}
