import { mkdirSync } from 'node:fs'
import { join as joinPath } from 'node:path'
import { openBus } from '../../protocol/bus/open.ts'
import { join, leaderOf } from '../support/impostor.ts'
import type { NatsServer } from '../support/nats.ts'
import type { Known } from './examples.ts'
import { attackBulk, attackBus, attackJoin, attackMesh, attackUp } from './members.ts'
import { attackAsStranger, attackByWaiting } from './strangers.ts'
import type { Tally } from './tally.ts'
import { referenceRun, type Subject, startTarget, type Target, token } from './target.ts'
import type { Vitals } from './vitals.ts'

/* All ports of a run are attacked while it goes on; then it must come to its end with the right hash, and nobody may have grown. */

export interface SiegeOptions {
  folder: string
  seed: number
  /** On each port that takes many messages on one connection. */
  messages: number
  /** On each port where every message costs a connection, or a membership; and on the subjects of the embedded bus, whose port has had its share. */
  connections: number
  /** How long the attack is expected to take. */
  seconds: number
  say?(text: string): void
}

export interface SiegeReport {
  tallies: Tally[]
  /** Of each process: when it was warm, and after the attack. */
  vitals: { name: string; before: Vitals; after: Vitals }[]
  isRight: boolean
  /** How processes ended that should live. */
  endings: string[]
  /** Sockets of silent strangers that were not taken away. */
  waiting: number
}

/** Part of the attack that comes before anything is measured: caches fill, code is compiled. */
const warmUpShare = 0.15
const silentStrangers = 100
const silentPatienceMs = 20_000
/** What is closing needs a moment. */
const settleMs = 3500

/** One port after the other: so it is seen which one costs what. */
async function inTurn(say: (text: string) => void, attacks: readonly (() => Promise<Tally>)[]): Promise<Tally[]> {
  const tallies: Tally[] = []
  for (const attack of attacks) {
    const began = performance.now()
    const one = await attack()
    tallies.push(one)
    say(`${describe(one)}, ${((performance.now() - began) / 1000).toFixed(1)} s`)
  }
  return tallies
}

type Attack = (share: number, round: number) => Promise<Tally[]>

const workersOf = (workers: number) => Array.from({ length: workers }, (_, i) => `w${i + 1}`)

async function vitalsOf(subjects: readonly Subject[]): Promise<Vitals[]> {
  await new Promise((resolve) => setTimeout(resolve, settleMs))
  return Promise.all(subjects.map((subject) => subject.vitals()))
}

async function siege(
  target: Target,
  sha256: string,
  attack: Attack,
  ports: readonly number[],
  say: (text: string) => void,
): Promise<SiegeReport> {
  const subjects = [target.coordinator, ...target.workers]
  await attack(warmUpShare, 0)
  const before = await vitalsOf(subjects)
  say('warm')
  const waiting = Promise.all(ports.map((port) => attackByWaiting(port, silentStrangers, silentPatienceMs)))
  const tallies = await attack(1, 1)
  const kept = (await waiting).reduce((sum, sockets) => sum + sockets, 0)
  const after = await vitalsOf(subjects)
  say('over')
  const endings = subjects.flatMap(({ ending }) => ending ?? [])
  const isRight = endings.length === 0 && (await target.finish()) === sha256
  const vitals = subjects.map(({ name }, i) => ({ name, before: before[i], after: after[i] }))
  return { tallies, vitals, isRight, endings, waiting: kept }
}

/** The coordinator's port, with the bus on it, and a run that it reduces itself. */
export async function siegeEmbedded({ folder, seed, messages, connections, seconds, say = () => {} }: SiegeOptions): Promise<SiegeReport> {
  const { job, sha256 } = await referenceRun(folder)
  const target = await startTarget({ folder, job, reducer: 'central', workers: 1, seconds })
  const bus = await openBus(target.url, { token })
  try {
    const record = await leaderOf(bus)
    const known: Known = { cluster: 'default', runId: record.runId, epoch: record.epoch, workers: workersOf(1) }
    const secrets = [record.runId, token, 'toy']
    const attack: Attack = async (share, round) => {
      const many = Math.ceil(share * messages)
      const few = Math.ceil(share * connections)
      const seedOf = (port: number) => seed * 100 + round * 10 + port
      return inTurn(say, [
        () => attackAsStranger('/bus and /bulk', target.port, many, seedOf(0), secrets),
        () => attackBus(target.port, known, many, seedOf(1)),
        () => attackUp(bus, known, few, seedOf(2)),
        () => attackJoin(bus, record, known, few, seedOf(3)),
        () => attackBulk(bus, target.port, record, known, few, seedOf(4)),
      ])
    }
    return await siege(target, sha256, attack, [target.port], say)
  } finally {
    target.close()
    await bus.close()
  }
}

const cluster = 'fuzz'

/** The subjects of a NATS server, the coordinator's bulk port, and a worker's port, in a run that workers reduce among themselves. */
export async function siegeCluster(nats: NatsServer, { folder, seed, messages, connections, seconds, say = () => {} }: SiegeOptions) {
  const { job, sha256 } = await referenceRun(folder)
  mkdirSync(joinPath(folder, 'run'))
  const target = await startTarget({ folder, job, reducer: 'sharded', bus: { url: nats.url, cluster }, workers: 2, seconds })
  const bus = await openBus(nats.url)
  try {
    const record = await leaderOf(bus, cluster)
    const known: Known = { cluster, runId: record.runId, epoch: record.epoch, workers: workersOf(2) }
    // What any worker learns.
    const { meshKey } = await join(bus, record, token, cluster)
    const [meshPort] = target.meshPorts
    const secrets = [record.runId, token, 'toy', meshKey, ...known.workers]
    const attack: Attack = async (share, round) => {
      const many = Math.ceil(share * messages)
      const few = Math.ceil(share * connections)
      const seedOf = (port: number) => seed * 100 + round * 10 + port
      return inTurn(say, [
        () => attackUp(bus, known, many, seedOf(0)),
        () => attackJoin(bus, record, known, many, seedOf(1)),
        () => attackAsStranger('/bulk', target.port, many, seedOf(2), secrets),
        () => attackAsStranger('/peer', meshPort, many, seedOf(3), secrets),
        () => attackBulk(bus, target.port, record, known, few, seedOf(4)),
        () => attackMesh(meshPort, meshKey, known, few, seedOf(5)),
      ])
    }
    return await siege(target, sha256, attack, [target.port, meshPort], say)
  } finally {
    target.close()
    await bus.close()
  }
}

export function describe({ port, isAuthenticated, messages, connections, answers, violations }: Tally): string {
  const answered = [...answers].sort().map(([answer, times]) => `${answer} ×${times}`)
  const who = isAuthenticated ? 'with the token' : 'strangers'
  const parts = [`${port}, ${who}: ${messages} messages`, connections > 0 ? `${connections} connections` : '', ...answered]
  return `${parts.filter((part) => part !== '').join(', ')}${violations.length > 0 ? `, ${violations.length} VIOLATIONS: ${violations[0]}` : ''}`
}
