import t from 'tap'
import { type Flaw, flaws } from './flaws.ts'
import { simulate } from './simulation.ts'

t.setTimeout(240_000)

/** A breakage that so many schedules do not notice is not noticed. */
const mostSeeds = 6000

t.test('each deliberate breakage is noticed', async (t) => {
  for (const [flaw, what] of Object.entries(flaws)) {
    let seed = 0
    let invariant: string | undefined
    while (invariant === undefined && seed < mostSeeds) {
      seed += 1
      invariant = simulate(seed, { flaw: flaw as Flaw }).violation?.invariant
    }
    t.ok(invariant, `${flaw}: ${what}. Seed ${seed} violates "${invariant}"`)
  }
})
