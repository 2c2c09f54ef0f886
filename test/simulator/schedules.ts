import type { Test } from 'tap'
import { simulate } from './simulation.ts'

/** Lines of a failing story that are printed. */
const storyLines = 120

/** Simulates the seeds from..to-1 and asserts that nothing was violated; a seed that fails is simulated again, and tells its story. */
export function checkSchedules(test: Test, from: number, to: number): void {
  const sums = { faults: 0, events: 0, leaders: 0, caught: 0, virtualMs: 0 }
  const startedAt = performance.now()
  for (let seed = from; seed < to; seed++) {
    const outcome = simulate(seed)
    for (const key of Object.keys(sums) as (keyof typeof sums)[]) sums[key] += outcome[key]
    if (outcome.violation === null) continue
    for (const line of simulate(seed, { isTold: true }).story.slice(-storyLines)) test.comment(line)
    const { invariant, message } = outcome.violation
    test.fail(`seed ${seed} violates "${invariant}": ${message}; node --import tsx test/simulator/replay.ts ${seed}`)
    return
  }
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
  const hours = (sums.virtualMs / 3.6e6).toFixed(1)
  test.pass(`${to - from} schedules with ${sums.faults} faults: nothing lost, nothing twice, no deadlock, the digests of a single worker`)
  test.comment(
    `${seconds} s for ${hours} h of virtual time: ${sums.leaders} leaders, ${sums.caught} workers that erred found out, ${sums.events} events`,
  )
}
