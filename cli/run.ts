import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { type Command, Option } from 'commander'
import type { CoordinatorOptions, ReducerChoice } from '../coordinator/main.ts'
import { withoutControls } from '../protocol/experiment/arms.ts'
import type { ConductOptions } from './conduct.ts'
import { checkDataFiles } from './data-files.ts'
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

export function addRunCommand(program: Command): void {
  addRunOptions(program.command('run'))
    .description('Run a job with local worker processes. The same command again resumes an interrupted run.')
    .option('--workers <n>', 'worker processes; their number never changes a bit of the result', wholeNumber(1, 64), 2)
    .option('--no-controls', 'attack the model of an attack job alone, without its controls')
    .addHelpText(
      'after',
      `
Examples:
  npx lethe run examples/quickstart.yaml
  npx lethe run job.yaml --workers 4 --out runs/siss-7 --set seed=7 --set method.lambda=0.25
  npx lethe run job.yaml --steps 3 --no-evaluate --json | jq .checkpoint.sha256

Ctrl-C leaves a run that the same command resumes; a second Ctrl-C ends at once.`,
    )
    .action(async (file: string, options: RunOptions) => {
      const { job } = readJob(file, options)
      if (job.kind === 'attack' && job.attack.controls && options.controls !== false && options.evaluate !== false) {
        const { runAttack } = await import('./attack.ts')
        return runAttack(file, job.name, options)
      }
      const coordinator = coordinatorOptions(file, options)
      const { conduct } = await import('./conduct.ts')
      await conduct({ ...(await locally(coordinator, options)), json: options.json ?? false })
    })
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
      checkDataFiles(coordinator.job)
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
