import { resolve } from 'node:path'
import { type Command, Option } from 'commander'
import { expandExperiment } from '../protocol/experiment/expand.ts'
import type { Expansion } from '../protocol/experiment/expansion.ts'
import { parseExperiment } from '../protocol/experiment/file.ts'
import { fullBudget } from '../protocol/experiment/schema.ts'
import { selected, startingWith } from '../protocol/experiment/select.ts'
import { checkExperimentFiles } from './data-files.ts'
import { listing, planned, planText } from './job-lines.ts'
import { readText, runFolder, wholeNumber } from './options.ts'
import { shellWord } from './terminal.ts'

interface ExperimentOptions {
  set: string[]
  only: string[]
  fresh: string[]
  out?: string
  workers: number
  json?: boolean
  dryRun?: boolean
  list?: boolean
  report?: boolean
}

const collect = (text: string, previous: string[]) => [...previous, text]

export function addExperimentCommand(program: Command): void {
  program
    .command('experiment')
    .argument('<experiment>', 'the experiment file (YAML)')
    .description('Run the jobs of an experiment one after the other, and make one table of them. The same command again resumes it.')
    .option('--workers <n>', 'worker processes of each job; their number never changes a bit of the result', wholeNumber(1, 64), 2)
    .option(
      '--out <dir>',
      'folder of the experiment, with a run folder for each job (default: runs/<name>, and -<budget> where one is named)',
    )
    .addOption(
      new Option('--set <key=value>', '`budget=<name>`, or a value of every job that has it; may be repeated')
        .default([], 'none')
        .argParser(collect),
    )
    .addOption(
      new Option('--only <id>', 'only jobs whose id begins so, and what they need; may be repeated').default([], 'all').argParser(collect),
    )
    .addOption(
      new Option('--fresh <id>', 'jobs whose id begins so are done again, and what they have left is deleted; may be repeated')
        .default([], 'none')
        .argParser(collect),
    )
    .option('--dry-run', 'check everything and print the jobs in order, but run nothing')
    .option('--list', 'print one `lethe run` command a job, in order, for a script to submit; --report makes the table of what has run')
    .option('--report', 'run nothing, make the table of what is finished')
    .option('--json', 'print the result as one JSON object on stdout, and nothing else there')
    .addHelpText(
      'after',
      `
Examples:
  npx lethe experiment examples/mnist-digit-relearn.yaml --set budget=quick
  npx lethe experiment examples/mnist-tshirt-table.yaml --only siss --workers 4
  npx lethe experiment examples/mnist-tshirt-table.yaml --list > jobs.sh

Ctrl-C leaves an experiment that the same command resumes: finished jobs are not run again,
but for those that --fresh names.`,
    )
    .action(async (file: string, options: ExperimentOptions) => {
      const { expansion, out } = readExperiment(file, options)
      const jobs = selected(expansion.jobs, options.only)
      const fresh = startingWith(jobs, options.fresh, '--fresh')
      if (options.dryRun) {
        checkExperimentFiles(jobs, out)
        process.stdout.write(options.json ? `${JSON.stringify(jobs.map(planned), null, 2)}\n` : planText(expansion, jobs))
      } else if (options.list) process.stdout.write(listing(jobs, out, options.workers))
      else {
        const { conductExperiment, reportExperiment } = await import('./experiment-conduct.ts')
        const result = { expansion, out, json: options.json ?? false, rerun: rerunOf(file, options) }
        if (options.report) await reportExperiment({ ...result, outcomes: new Map() })
        else await conductExperiment({ ...result, jobs, fresh, base: {}, workers: { workers: options.workers, cluster: 'default' } })
      }
    })
}

/** Absolute. A budget has a folder of its own: its jobs are other jobs. */
function readExperiment(file: string, { set, out }: ExperimentOptions): { expansion: Expansion; out: string } {
  const { experiment, locate } = parseExperiment(readText(file), file)
  const isBudget = (text: string) => /^\s*budget\s*=/.test(text)
  const budget = set.findLast(isBudget)?.split('=')[1].trim() ?? fullBudget
  const folder = runFolder(out, budget === fullBudget ? experiment.name : `${experiment.name}-${budget}`)
  const overrides = set.filter((text) => !isBudget(text))
  const options = { file: resolve(file), out: folder, budget, overrides, locate, read: readText }
  return { expansion: expandExperiment(experiment, options), out: folder }
}

/** The command that runs the jobs of these ids once more, elsewhere. */
function rerunOf(file: string, { set }: ExperimentOptions): (ids: readonly string[]) => string {
  return (ids) => {
    const chosen = ids.flatMap((id) => ['--only', id])
    const changes = set.flatMap((text) => ['--set', text])
    return ['npx', 'lethe', 'experiment', file, ...changes, ...chosen, '--out', 'runs/again'].map(shellWord).join(' ')
  }
}
