import type { Command } from 'commander'
import { jobYaml } from '../protocol/jobfile.ts'
import { addJobOptions, type JobOptions, readJob } from './options.ts'

export function addExplainCommand(program: Command): void {
  addJobOptions(program.command('explain'))
    .description('Check a job and print all of it: defaults filled in, paths absolute. The output is a job file again.')
    .option('--json', 'print JSON instead of YAML')
    .addHelpText(
      'after',
      `
Examples:
  npx lethe explain examples/quickstart.yaml
  npx lethe explain job.yaml --set method.lambda=0.25 --json`,
    )
    .action((file: string, options: JobOptions & { json?: boolean }) => {
      const { job } = readJob(file, options)
      process.stdout.write(options.json ? `${JSON.stringify(job, null, 2)}\n` : jobYaml(job))
    })
}
