import { hostname } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { errorTable } from '../../protocol/errors.ts'
import { type RunReport, runReport } from '../../protocol/report.ts'
import { Cluster, type Coordinator } from '../chaos/cluster.ts'
import type { ClusterEvent } from '../chaos/events.ts'
import { isCommit } from '../chaos/measure.ts'
import { Processes } from '../chaos/processes.ts'
import { sissJob } from '../support/siss-job.ts'
import { lethe } from './command.ts'

const faultyWorker = fileURLToPath(new URL('../support/faulty-worker.ts', import.meta.url))

/* The promise of the cluster, through the commands that users type: real processes on a real nats-server, every death a SIGKILL. */

t.setTimeout(280_000)

const { cwd, file } = sissJob(t, { steps: 100, checkpointEvery: 25 })
const processes = new Processes()
t.teardown(() => processes.close())

async function startCluster(t: Test, name: string, workers: number, options: readonly string[]): Promise<Cluster> {
  const cluster = await Cluster.start({ processes, folder: join(cwd, name), cwd, job: [file, ...options], expectedWorkers: workers })
  t.teardown(() => cluster.close())
  return cluster
}

/** Resolves with the first event from now on that has this; rejects where every coordinator ends before. */
async function next(cluster: Cluster, what: string, isIt: (event: ClusterEvent) => boolean): Promise<ClusterEvent> {
  const from = cluster.events.length
  const ends = Promise.all(cluster.coordinators.map(({ ended }) => ended))
  const found = await cluster.tail.find((event) => cluster.events.indexOf(event) >= from && isIt(event), ends)
  if (!found) throw new Error(`the run was over before ${what}:\n${cluster.coordinators.map((one) => one.stderr()).join('\n')}`)
  return found
}

const commits = async (cluster: Cluster, count: number) => {
  for (let i = 0; i < count; i++) await next(cluster, 'a commit', isCommit)
}

async function reportOf(t: Test, coordinator: Coordinator): Promise<RunReport> {
  const { status } = await coordinator.ended
  t.equal(status, 0, status === 0 ? 'the coordinator ends well' : coordinator.stderr())
  return runReport.parse(JSON.parse(coordinator.stdout()))
}

const until = async (isSo: () => boolean) => {
  while (!isSo()) await sleep(20)
}

/** All that does not depend on who computed, and when. */
const figures = ({ checkpoint, forget, keep, history }: RunReport) => ({ sha256: checkpoint.sha256, forget, keep, history })

/** One worker, no NATS, no faults. */
async function undisturbed(options: readonly string[] = []) {
  const out = join(cwd, `alone${options.join('')}`)
  const run = await lethe(['run', file, '--workers', '1', '--out', out, '--json', ...options], { cwd })
  if (run.status !== 0) throw new Error(run.stderr)
  return figures(runReport.parse(JSON.parse(run.stdout)))
}

let expected: ReturnType<typeof figures>
t.before(async () => {
  expected = await undisturbed()
})

for (const [reducer, workers] of [
  ['central', 2],
  ['sharded', 3],
] as const) {
  t.test(`${workers} workers on NATS, ${reducer}: a join, and deaths of a worker, the leader and the server`, async (t) => {
    const cluster = await startCluster(t, reducer, workers, ['--reducer', reducer])
    const first = cluster.addCoordinator()
    await next(cluster, 'a leader', ({ type }) => type === 'leading')
    const standby = cluster.addCoordinator()
    const [victim] = Array.from({ length: workers }, () => cluster.addWorker())

    // It takes longer to be ready than the others, which have joined already, take for their first steps.
    await until(() => victim.names.length > 0)
    cluster.addWorker()
    await commits(cluster, 1)
    await next(cluster, 'the join', ({ type }) => type === 'workerJoined')
    await commits(cluster, 2)
    const left = next(cluster, 'the loss', (event) => event.type === 'workerLeft' && event.worker === victim.names.at(-1))
    victim.signal('SIGKILL')
    await left
    await commits(cluster, 2)

    const taken = next(cluster, 'the election', ({ type, coordinator }) => type === 'leading' && coordinator === standby.number)
    first.signal('SIGKILL')
    await taken
    await commits(cluster, 2)

    await cluster.killNats()
    await cluster.restartNats()

    const report = await reportOf(t, standby)
    t.strictSame(figures(report), expected, 'the checkpoint, and every figure')
    t.strictSame(report.faults, [], 'nobody is blamed')
    t.strictSame(report.reduction, { reducer, wire: 'f32' }, 'the reducer is named')
    for (const worker of cluster.workers.filter((one) => one !== victim))
      t.equal((await worker.ended).status, 0, `worker ${worker.number} ends well`)
  })
}

const few = ['--steps', '10']
let fewExpected: ReturnType<typeof figures> | undefined

for (const reducer of ['central', 'sharded'])
  t.test(`a flipped bit in one gradient is found, and whose it was: ${reducer}`, async (t) => {
    fewExpected ??= await undisturbed(few)
    const flipsBitAt = 3
    const cluster = await startCluster(t, `flipped-${reducer}`, 3, [...few, '--reducer', reducer, '--audit-every', '1'])
    const coordinator = cluster.addCoordinator()
    await next(cluster, 'a leader', ({ type }) => type === 'leading')
    const faulty = cluster.addFaultyWorker({ flipsBitAt }, faultyWorker)
    for (let worker = 0; worker < 2; worker++) cluster.addWorker()

    const report = await reportOf(t, coordinator)
    t.strictSame(figures(report), fewExpected, 'the checkpoint, and every figure')
    const [name] = faulty.names
    t.match(report.faults, [{ worker: name, step: flipsBitAt, host: hostname(), message: /computed another gradient than the others/ }])
    t.equal(report.faults.length, 1)
    t.ok(
      cluster.events.some((event) => event.type === 'notice' && event.message.startsWith(`${name} computed another gradient`)),
      'whoever looks on is told',
    )
    t.equal((await faulty.ended).status, errorTable.COMPUTE_DIGEST.exitCode, 'so is the worker')
    t.match(faulty.stderr(), /COMPUTE_DIGEST/)
  })
