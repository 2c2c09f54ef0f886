import { simulate } from '/work/main/test/simulator/simulation.ts'
const [from, to, flaw] = process.argv.slice(2)
const t0 = performance.now()
const bad: Record<string, string[]> = {}
let n = 0, ev = 0, vms = 0, slow: [number, number][] = []
for (let seed = Number(from); seed < Number(to); seed++) {
  const t = performance.now()
  let o
  try { o = simulate(seed, { flaw: (flaw ?? 'none') as never }) } catch (e) { console.log(seed, e); break }
  const ms = performance.now() - t
  n++; ev += o.events; vms += o.virtualMs
  slow.push([ms, seed])
  if (o.violation) { const k = o.violation.invariant; (bad[k] ??= []).push(`${seed}: ${o.violation.message}`) }
}
for (const [k, v] of Object.entries(bad)) { console.log(`== ${k}: ${v.length}`); for (const line of v.slice(0, 6)) console.log('   ', line.slice(0, 260)) }
slow.sort((a, b) => b[0] - a[0])
console.log({ n, msPer: (performance.now() - t0) / n, events: ev / n, virtualMs: vms / n, slow: slow.slice(0, 5).map(([m, s]) => `${s}:${m.toFixed(0)}`) })
