import { type Flaw, flaws } from './flaws.ts'
import { simulate } from './simulation.ts'

/* Tells the story of one seed: `node --import tsx test/simulator/replay.ts SEED [FLAW]`. */

const [seed, flaw = 'none'] = process.argv.slice(2)
if (!/^\d+$/.test(seed ?? '') || !(flaw === 'none' || flaw in flaws)) {
  console.error(`usage: node --import tsx test/simulator/replay.ts SEED [${Object.keys(flaws).join('|')}]`)
  process.exit(2)
}
const { story, violation, ...outcome } = simulate(Number(seed), { flaw: flaw as Flaw, isTold: true })
for (const line of story) console.log(line)
console.log(JSON.stringify({ ...outcome, violation }))
process.exitCode = violation ? 1 : 0
