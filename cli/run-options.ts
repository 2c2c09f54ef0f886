import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { type Command, Option } from 'commander'
import type { CoordinatorOptions, ReducerChoice } from '../coordinator/main.ts'
import { withoutControls } from '../protocol/experiment/arms.ts'
import type { ConductOptions } from './conduct.ts'
import { checkJobFiles } from './data-files.ts'
import { addJobOptions, type JobOptions, joinToken, readJob, runFolder, wholeNumber } from './options.ts'
import { addSecurityOptions, busUrl, clusterName, readSecurity, type SecurityOptions } from './security.ts'

export interface RunOptions extends JobOptions, SecurityOptions {
  out?: string
  fresh?: boolean
  json?: boolean
  events?: string
  bus?: string
  cluster: string
  reducer: ReducerChoice
  auditEvery: number
  workers: number
  /** False attacks the model of an attack job alone. */
  controls?: boolean
}

/** Options that `run` and `coordinator` share. */
export function addRunOptions(command: Command): Command {
  const withRun = addJobOptions(command)
    .option('--out <dir>', 'run folder: checkpoints, report, journal and logs (default: runs/<name of the job>)')
    .option('--no-evaluate', 'measure nothing before and after; it is another job then')
    .option('--fresh', 'delete what the run folder holds and start over')
    .option('--json', 'print the report as one JSON object on stdout, and nothing else there')
    .option('--events <file>', 'append what happens (joins, losses, elections, steps) to this file, one JSON object a line')
    .option('--bus <url>', 'NATS server that carries control messages and keeps the journal, such as tls://nats.example:4222', busUrl)
    .option('--cluster <name>', 'name of this group of runs and workers on the NATS server', clusterName, 'default')
    .addOption(
      new Option('--reducer <where>', 'where gradients are added: in the coordinator, or each worker a slice; the result is the same')
        .choices(['auto', 'central', 'sharded'])
        .default('auto'),
    )
    .option('--audit-every <n>', 'every so many steps compute each gradient twice, by two workers; 0 for never', wholeNumber(0, 1e9), 0)
  return addSecurityOptions(withRun, 'coordinator')
}

/** What both commands make of their options. Controls of an attack are runs of their own. */
export function coordinatorOptions(file: string, options: RunOptions): Omit<CoordinatorOptions, 'onEvent' | 'log'> {
  const { job, written } = readJob(file, options)
  const { issuer, tls, credentials, insecure } = readSecurity(options, 'coordinator')
  return {
    job: withoutControls(job),
    written: withoutControls(written),
    out: runFolder(options.out, job.name),
    bus: options.bus === undefined ? undefined : { url: options.bus, cluster: options.cluster, credentials },
    fresh: options.fresh,
    expectedWorkers: options.workers,
    reducer: options.reducer,
    auditEvery: options.auditEvery,
    issuer: issuer ?? undefined,
    tls,
    insecure,
  }
}

/** A run with worker processes of its own on this machine. They need no issued token. */
export async function locally(
  coordinator: Omit<CoordinatorOptions, 'onEvent' | 'log'>,
  options: Pick<RunOptions, 'workers' | 'events' | 'cluster'> & SecurityOptions,
): Promise<Omit<ConductOptions, 'json'>> {
  const { localWorkerArgs, WorkerPool } = await import('./worker-pool.ts')
  return {
    coordinator: { ...coordinator, token: joinToken(undefined) ?? randomBytes(24).toString('base64url') },
    events: options.events,
    onLeading: ({ bus, token }, onNotice) => {
      checkJobFiles(coordinator.job)
      return new WorkerPool({
        workers: options.workers,
        env: { LETHE_TOKEN: token ?? '' },
        args: localWorkerArgs(bus, options),
        logs: join(coordinator.out, 'logs'),
        onNotice,
      })
    },
  }
}
