import { join } from 'node:path'
import type { Command } from 'commander'
import { addJobOptions, type JobOptions, readJob, runFolder, wholeNumber } from './options.ts'

export interface RunOptions extends JobOptions {
  out?: string
  fresh?: boolean
  json?: boolean
}

/** Options that `run` and `coordinator` share. */
export function addRunOptions(command: Command): Command {
  return addJobOptions(command)
    .option('--out <dir>', 'run folder: checkpoints, report, journal and logs (default: runs/<name of the job>)')
    .option('--no-evaluate', 'measure nothing before and after; it is another job then')
    .option('--fresh', 'delete what the run folder holds and start over')
    .option('--json', 'print the report as one JSON object on stdout, and nothing else there')
}

export function addRunCommand(program: Command): void {
  addRunOptions(program.command('run'))
    .description('Run a job with local worker processes. The same command again resumes an interrupted run.')
    .option('--workers <n>', 'worker processes; their number never changes a bit of the result', wholeNumber(1, 64), 2)
    .addHelpText(
      'after',
      `
Examples:
  npx lethe run examples/quickstart.yaml
  npx lethe run job.yaml --workers 4 --out runs/siss-7 --set seed=7 --set method.lambda=0.25
  npx lethe run job.yaml --steps 3 --no-evaluate --json | jq .checkpoint.sha256

Ctrl-C leaves a run that the same command resumes; a second Ctrl-C ends at once.`,
    )
    .action(async (file: string, options: RunOptions & { workers: number }) => {
      const { job, written } = readJob(file, options)
      const out = runFolder(options.out, job.name)
      const [{ conduct }, { localWorkerArgs, WorkerPool }] = await Promise.all([import('./conduct.ts'), import('./worker-pool.ts')])
      await conduct({
        coordinator: { job, written, out, fresh: options.fresh, expectedWorkers: options.workers },
        json: options.json ?? false,
        onListening: ({ url, token }, onNotice) =>
          new WorkerPool({
            workers: options.workers,
            env: { LETHE_TOKEN: token },
            args: localWorkerArgs(url),
            logs: join(out, 'logs'),
            onNotice,
          }),
      })
    })
}
