import t from 'tap'
import { type Flaw, flaws } from './flaws.ts'
import { type Scenario, scenarioOf } from './scenario.ts'
import { simulate } from './simulation.ts'

t.setTimeout(240_000)

/** A breakage that so many schedules do not notice is not noticed. */
const mostSchedules = 3000

/** Where a breakage can show at all; anywhere, where nothing is said. */
const isRelevant: Partial<Record<Flaw, (scenario: Scenario) => boolean>> = {
  misleadsLoaders: ({ settings }) => !settings.isExact && settings.reducer === 'sharded',
}

function firstNoticed(flaw: Flaw): { invariant: string; seed: number; schedules: number } | null {
  const relevant = isRelevant[flaw] ?? (() => true)
  let seed = 0
  for (let schedules = 1; schedules <= mostSchedules; schedules++) {
    do seed += 1
    while (!relevant(scenarioOf(seed)))
    const { violation } = simulate(seed, { flaw })
    if (violation) return { invariant: violation.invariant, seed, schedules }
  }
  return null
}

t.test('each deliberate breakage is noticed', async (t) => {
  for (const [flaw, what] of Object.entries(flaws)) {
    const noticed = firstNoticed(flaw as Flaw)
    t.ok(noticed, `${flaw}: ${what}: "${noticed?.invariant}" does not hold in seed ${noticed?.seed}, schedule ${noticed?.schedules}`)
  }
})
