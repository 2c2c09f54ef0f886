import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { simulate } from './simulation.ts'

const program = fileURLToPath(new URL('replay.ts', import.meta.url))

t.test('a seed is a story', async (t) => {
  for (const seed of [3, 14, 58, 196]) {
    const { story, ...outcome } = simulate(seed, { isTold: true })
    const { story: silence, ...untold } = simulate(seed)
    t.strictSame(untold, outcome, 'told or not, the same happens')
    t.strictSame(silence, [])
    t.strictSame(simulate(seed, { isTold: true }).story, story, 'the same seed gives the same story')
    t.not(simulate(seed + 1, { isTold: true }).story.join(), story.join(), 'another one another')
  }
})

t.test('a failing seed replays from the command line', async (t) => {
  let seed = 1
  while (simulate(seed, { flaw: 'addsAsItComes' }).violation === null) seed += 1
  const { story, violation } = simulate(seed, { flaw: 'addsAsItComes', isTold: true })
  const run = spawnSync(process.execPath, ['--import', 'tsx', program, String(seed), 'addsAsItComes'], { encoding: 'utf8' })
  t.equal(run.status, 1)
  const lines = run.stdout.trimEnd().split('\n')
  t.strictSame(lines.slice(0, -1), story)
  t.strictSame(JSON.parse(lines.at(-1) ?? '').violation, violation)
  t.match(story.at(-1), /equal digests/)
})

/** A schedule in which nothing happens shows nothing: what the run can be asked to cope with does come up. */
t.test('the schedules reach what is rare', async (t) => {
  const situations: Record<string, RegExp> = {
    'a part is given to others because its worker died': /has left[^\n]*\n[^\n]*assist \{/,
    'a part is given to others because its worker is late': /(?<!(has left|assist) [^\n]*)\n[^\n]*C\d +assist \{/,
    'two workers have different sums': /trial \{/,
    'the parameters of one worker are wrong': /has other parameters than the others/,
    'a newcomer loads a state': /loads version/,
    'a worker is parted from because it loads too slowly': /steps behind while it loaded/,
    'a worker that asked to leave is let go': /excuse \{/,
    'a standby takes over': /leads, epoch 2/,
    'three leaders': /leads, epoch 3/,
    'a leader is deposed': /is deposed/,
    'a leader is suspended and goes on': /leadership: suspended[\s\S]*leadership: leading, the lease is renewed/,
    'the run begins at its parent again': /restart \{/,
    'steps that may differ are repeated': /rewind \{/,
    'a step that no journal knew is taken over from a worker': /— train —\n[^\n]*(commit) \{/,
  }
  const missing = new Map(Object.entries(situations))
  for (let seed = 1; missing.size > 0 && seed <= 4000; seed++) {
    const story = simulate(seed, { isTold: true }).story.join('\n')
    for (const [name, pattern] of missing)
      if (pattern.test(story)) {
        missing.delete(name)
        t.pass(`${name}: seed ${seed}`)
      }
  }
  for (const name of missing.keys()) t.fail(name)
})
