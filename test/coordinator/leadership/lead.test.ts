import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t, { type TAP as Tap } from 'tap'
import { leadershipSettings } from '../../../coordinator/leadership/state.ts'
import { startNats } from '../../support/nats.ts'

t.setTimeout(120_000)
// Most of the time is waiting.
t.jobs = 2

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

  async until(what: string): Promise<Line> {
    for (const begin = Date.now(); Date.now() - begin < patienceMs; await sleep(10)) {
      const line = this.said(what)
      if (line) return line
    }
    throw new Error(`no process said ${what}: ${JSON.stringify(this.lines)}`)
  }
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

const next = (standbys: Candidate[]) => Promise.race(standbys.map(async (one) => ({ one, line: await one.until('elected') })))

t.test('leaders, standbys and their deaths on one server', { buffered: true }, async (t) => {
  t.jobs = 4
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
    leader.child.kill('SIGSTOP')
    await sleep(1500)
    leader.child.kill('SIGCONT')
    await sleep(leadershipSettings.leaseMs)
    t.notOk(leader.said('deposed') || leader.said('suspended'))
    t.notOk(standbys[0].said('elected'), 'changes nothing')
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
})

t.test('a server that dies and comes back', { buffered: true }, async (t) => {
  t.jobs = 2
  for (const downMs of [300, 6000]) {
    t.test(`after ${downMs} ms`, { buffered: true }, async (t) => {
      const server = await startNats(t)
      const { leader, standbys } = await candidates(t, server.url, 2)
      await server.kill()
      await sleep(downMs)
      await server.restart()
      const backAt = Date.now()
      const isLong = downMs > leadershipSettings.leaseMs
      if (isLong) {
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
})
