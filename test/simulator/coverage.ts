import { simulate } from './simulation.ts'
const counts: Record<string, number> = {}
const one: Record<string, number> = {}
const hit = (k: string, s: number) => { counts[k] = (counts[k] ?? 0) + 1; one[k] ??= s }
for (let seed = 1; seed <= 3000; seed++) {
  const { story, caught, leaders } = simulate(seed, { isTold: true })
  const seen = new Set<string>()
  let last = ''
  for (const line of story) {
    const what = line.slice(21)
    const m = /^(assist|plan|trial|release|apply|commit|rewind|export|save|sendState|evaluate|part|restart|excuse|dismiss|fail|finish) \{/.exec(what)
    if (m) seen.add(m[1] === 'assist' ? (/has left/.test(last) ? 'assist after leaving' : 'assist late') : m[1])
    if (/flips/.test(what)) seen.add('flip')
    if (/deposed/.test(what)) seen.add('deposed')
    if (/behind while/.test(what)) seen.add('laggard')
    if (/suspended/.test(what)) seen.add('suspended')
    if (/no heartbeat/.test(what)) seen.add('silence')
    if (/goes on\b/.test(what)) seen.add('continued')
    if (/loads version/.test(what)) seen.add('loads')
    if (/leaves without a word/.test(what)) seen.add('leaves without a word')
    last = what
  }
  if (caught) seen.add('caught')
  if (leaders > 1) seen.add('failover')
  if (leaders > 2) seen.add('two failovers')
  for (const k of seen) hit(k, seed)
}
console.log(counts, one)
