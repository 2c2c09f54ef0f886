import t from 'tap'
import { queueFlaws, simulateQueue } from './queue.ts'

const schedules = 3000

t.test('a work queue: nothing lost, nothing done twice', async (t) => {
  for (let seed = 1; seed <= schedules; seed++) {
    const violation = simulateQueue(seed)
    if (violation) return t.fail(`seed ${seed} violates "${violation.invariant}": ${violation.message}`)
  }
  t.pass(`${schedules} schedules of holders that die, pause and are cut off`)
})

t.test('a queue that is built wrong', async (t) => {
  for (const [flaw, what] of Object.entries(queueFlaws)) {
    let seed = 1
    let violation = simulateQueue(seed, flaw as keyof typeof queueFlaws)
    for (; violation === null && seed < schedules; seed += 1) violation = simulateQueue(seed + 1, flaw as keyof typeof queueFlaws)
    t.ok(violation, `${what}: noticed after ${seed} seeds (${violation?.invariant})`)
  }
})
