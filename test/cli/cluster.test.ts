import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { type RunReport, runReport } from '../../protocol/report.ts'
import { Cluster, type Coordinator } from '../chaos/cluster.ts'
import type { ClusterEvent } from '../chaos/events.ts'
import { isCommit } from '../chaos/measure.ts'
import { Processes } from '../chaos/processes.ts'
import { sissJob } from '../support/siss-job.ts'
import { lethe } from './command.ts'

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
  t.equal(status, 0, coordinator.stderr())
  return runReport.parse(JSON.parse(coordinator.stdout()))
}

const until = async (isSo: () => boolean) => {
  while (!isSo()) await sleep(20)
}

/** All that does not depend on who computed, and when. */
const figures = ({ checkpoint, forget, keep, history }: RunReport) => ({ sha256: checkpoint.sha256, forget, keep, history })

const undisturbed = lethe(['run', file, '--workers', '1', '--out', join(cwd, 'alone'), '--json'], { cwd }).then((run) => {
  if (run.status !== 0) throw new Error(run.stderr)
  return figures(runReport.parse(JSON.parse(run.stdout)))
})
undisturbed.catch(() => {})

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
    t.strictSame(figures(report), await undisturbed, 'the checkpoint, and every figure')
    t.strictSame(report.faults, [])
    t.strictSame(report.reduction, { reducer, wire: 'f32' })
    for (const worker of cluster.workers.filter((one) => one !== victim)) t.equal((await worker.ended).status, 0, worker.stderr())
  })
}
