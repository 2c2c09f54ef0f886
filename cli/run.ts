import type { Command } from 'commander'
import { readJob, wholeNumber } from './options.ts'
import { addRunOptions, coordinatorOptions, locally, type RunOptions } from './run-options.ts'

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
