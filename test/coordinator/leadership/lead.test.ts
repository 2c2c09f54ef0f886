import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t, { type TAP as Tap } from 'tap'
import { Broker } from '../../../coordinator/broker/broker.ts'
import { Leadership } from '../../../coordinator/leadership/lead.ts'
import { leadershipSettings } from '../../../coordinator/leadership/state.ts'
import { silentLog } from '../../../coordinator/run/events.ts'
import { startNats } from '../../support/nats.ts'

t.setTimeout(120_000)
// Most of the time is waiting.
t.jobs = 8

const script = fileURLToPath(new URL('../../support/leader-process.ts', import.meta.url))
const failoverMs = 10_000
const patienceMs = 20_000

interface Line {
  at: number
  said: string
  epoch?: number
  code?: string
}

/** A real process that wants to lead. */
class Candidate {
  readonly lines: Line[] = []
  readonly child: ChildProcess
  readonly ended: Promise<void>

  constructor(t: Pick<Tap, 'teardown'>, url: string, runId: string) {
    this.child = spawn(process.execPath, ['--import', 'tsx', script, url, runId], { stdio: ['ignore', 'pipe', 'inherit'] })
    this.ended = new Promise((resolve) => this.child.once('exit', () => resolve()))
    createInterface({ input: this.child.stdout as NodeJS.ReadableStream }).on('line', (line) => this.lines.push(JSON.parse(line)))
    t.teardown(() => this.child.kill('SIGKILL'))
  }

  said(what: string): Line | undefined {
    return this.lines.findLast(({ said }) => said === what)
  }

  until(what: string): Promise<Line> {
    return poll(
      () => this.said(what),
      () => `no process said ${what}: ${JSON.stringify(this.lines)}`,
    )
  }
}

async function poll<Value>(look: () => Value | undefined, complaint: () => string): Promise<Value> {
  for (const begin = Date.now(); Date.now() - begin < patienceMs; await sleep(10)) {
    const value = look()
    if (value !== undefined) return value
  }
  throw new Error(complaint())
}

/** A leader and its standbys. */
async function candidates(t: Pick<Tap, 'teardown'>, url: string, count: number): Promise<{ leader: Candidate; standbys: Candidate[] }> {
  const runId = randomBytes(32).toString('hex')
  const leader = new Candidate(t, url, runId)
  await leader.until('elected')
  const standbys = Array.from({ length: count - 1 }, () => new Candidate(t, url, runId))
  for (const one of standbys) await one.until('started')
  await sleep(500)
  return { leader, standbys }
}

/** The first of them that is elected. */
function next(standbys: Candidate[]): Promise<{ one: Candidate; line: Line }> {
  const look = () => {
    const one = standbys.find((standby) => standby.said('elected'))
    return one && { one, line: one.said('elected') as Line }
  }
  return poll(look, () => 'nobody is elected')
}

const { url } = await startNats(t)

t.test('a killed leader', { buffered: true }, async (t) => {
  const { leader, standbys } = await candidates(t, url, 3)
  t.equal(leader.said('elected')?.epoch, 1)
  const times: number[] = []
  let victim = leader
  const others = [...standbys]
  for (const epoch of [2, 3]) {
    const killedAt = Date.now()
    victim.child.kill('SIGKILL')
    const { one, line } = await next(others)
    t.equal(line.epoch, epoch)
    times.push(line.at - killedAt)
    victim = one
    others.splice(others.indexOf(one), 1)
    t.ok(
      others.every((other) => !other.said('elected')),
      'one alone',
    )
  }
  t.ok(Math.max(...times) < failoverMs, `another one leads after ${times.join(' and ')} ms`)
})

t.test('a paused leader', { buffered: true }, async (t) => {
  const { leader, standbys } = await candidates(t, url, 2)
  const pausedAt = Date.now()
  leader.child.kill('SIGSTOP')
  const { line } = await next(standbys)
  t.equal(line.epoch, 2)
  t.ok(line.at - pausedAt >= leadershipSettings.suspendMs, 'not before the lease is over')
  const heard = leader.lines.length
  leader.child.kill('SIGCONT')
  const deposed = await leader.until('deposed')
  t.equal(deposed.code, 'RUN_DEPOSED')
  t.strictSame(
    leader.lines
      .slice(heard)
      .map(({ said }) => said)
      .filter((said) => said !== 'leadsNot'),
    ['suspended', 'deposed'],
    'it never leads again',
  )
  await leader.ended
  t.equal(leader.child.exitCode, 0, 'and nothing keeps it alive')
})

t.test('a short pause', { buffered: true }, async (t) => {
  const { leader, standbys } = await candidates(t, url, 2)
  t.equal((await standbys[0].until('standingBy')).epoch, 1, 'a standby knows whom it stands by for')
  leader.child.kill('SIGSTOP')
  await sleep(1500)
  leader.child.kill('SIGCONT')
  await sleep(leadershipSettings.leaseMs)
  t.notOk(leader.said('deposed') || leader.said('suspended'))
  t.notOk(standbys[0].said('elected'), 'changes nothing')
  t.equal(standbys[0].lines.filter(({ said }) => said === 'standingBy').length, 1, 'and is said once')
  t.notOk(leader.said('standingBy'))
})

t.test('a leader that stops, and one that finishes', { buffered: true }, async (t) => {
  const { leader, standbys } = await candidates(t, url, 3)
  const stoppedAt = Date.now()
  leader.child.kill('SIGTERM')
  const { one, line } = await next(standbys)
  t.equal(line.epoch, 2)
  t.ok(line.at - stoppedAt < 1500, `a standby leads after ${line.at - stoppedAt} ms`)
  const last = standbys.find((other) => other !== one) as Candidate
  one.child.kill('SIGUSR2')
  const finished = await last.until('finished')
  t.equal(finished.epoch, 2)
  await Promise.all([leader, one, last].map(({ ended }) => ended))
  t.pass('all processes end')
})

for (const [what, downMs] of [
  ['is killed and comes back', 300],
  ['is killed and comes back', 5500],
  ['hangs', 5500],
] as const) {
  t.test(`a server that ${what} after ${downMs} ms`, { buffered: true }, async (t) => {
    const server = await startNats(t)
    const { leader, standbys } = await candidates(t, server.url, 2)
    if (what === 'hangs') server.stopProcess()
    else await server.kill()
    await sleep(downMs)
    if (what === 'hangs') server.continueProcess()
    else await server.restart()
    const backAt = Date.now()
    if (downMs > leadershipSettings.leaseMs) {
      const { at } = await leader.until('resumed')
      t.ok(leader.said('suspended'), 'the leader gave no commands meanwhile')
      t.ok(at - backAt < 4000, `it leads again ${at - backAt} ms after the server`)
    }
    await sleep(leadershipSettings.leaseMs)
    t.equal(leader.lines.findLast(({ said }) => said.startsWith('leads'))?.said, 'leads', 'the same leader goes on')
    t.equal(leader.lines.filter(({ said }) => said === 'elected').length, 1, 'with the same epoch')
    t.notOk(standbys[0].said('elected'))
  })
}

t.test('on the bus of a single coordinator nobody waits', { buffered: true }, async (t) => {
  const folder = t.testdir()
  const runId = randomBytes(32).toString('hex')
  for (const epoch of [1, 2]) {
    const broker = new Broker({ folder })
    const begin = performance.now()
    const elected = await new Promise<number>((resolve) => {
      const none = () => {}
      const options = { bus: broker.local(), cluster: 'test', runId, url: '', isAlone: true, log: silentLog }
      const events = {
        onStandingBy: none,
        onElected: resolve,
        onSuspended: none,
        onResumed: none,
        onDeposed: none,
        onFinished: none,
        onRefused: none,
      }
      const leadership = new Leadership({ ...options, ...events })
      leadership.start()
      // As a process that dies: the record stays.
      t.teardown(() => void leadership.stop({ finished: false }))
    })
    t.equal(elected, epoch)
    t.ok(performance.now() - begin < 2000)
    await broker.close()
  }
})
