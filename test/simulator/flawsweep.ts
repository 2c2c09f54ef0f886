import { flaws } from './flaws.ts'
import { simulate } from './simulation.ts'
for (const flaw of Object.keys(flaws)) {
  const t = performance.now()
  const found: string[] = []
  for (let seed = 1; seed <= 6000 && found.length < 5; seed++) {
    const { violation } = simulate(seed, { flaw: flaw as never })
    if (violation) found.push(`${seed} ${violation.invariant}`)
  }
  console.log(flaw.padEnd(20), found.join(' | ') || 'NOT FOUND', (performance.now() - t).toFixed(0))
}
