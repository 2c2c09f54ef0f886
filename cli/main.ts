import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { LetheError } from '../protocol/errors.ts'
import { addCoordinatorCommand } from './coordinator.ts'
import { addExperimentCommand } from './experiment.ts'
import { addExplainCommand } from './explain.ts'
import { addPlanCommand } from './plan.ts'
import { addRunCommand } from './run.ts'
import { paint, printable } from './terminal.ts'
import { addIdentityCommand, addTokenCommand } from './token.ts'
import { addWorkerCommand } from './worker.ts'

/** Runs one command line and sets the exit status; results go to stdout, everything else to stderr. */
export async function main(argv: readonly string[]): Promise<void> {
  // A reader that closes the pipe early, as `head` does, is no failure.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))
  try {
    await program().parseAsync(argv)
  } catch (error) {
    process.exitCode = fail(error)
  }
}

function program(): Command {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
  const lethe = new Command('lethe')
    .description('Make diffusion models forget chosen training data, and measure what is left.')
    .version(version, '-V, --version', 'Print the version.')
    .helpOption('-h, --help', 'Print help.')
    .helpCommand('help [command]', 'Print help for a command.')
    .configureOutput({ outputError: () => {} })
    .exitOverride()
    .addHelpText(
      'after',
      `
Examples:
  npx lethe run examples/quickstart.yaml           forget one image, with two local workers
  npx lethe run job.yaml --workers 4 --set seed=7  the same result from any number of workers
  npx lethe experiment examples/mnist-digit-relearn.yaml --set budget=quick
                                                   many jobs, one table
  npx lethe explain job.yaml                       the whole job, defaults filled in
  npx lethe plan job.yaml                          what more workers would gain

Environment:
  LETHE_TOKEN   join token of \`lethe coordinator\` and \`lethe worker\`
  LETHE_LOG     trace, debug, info, warn, error or silent (default; info in workers): log lines on stderr
  NO_COLOR      no colours

Exit status: 0 done, 130 interrupted and resumable, else the number of the error in docs/errors.md.`,
    )
  addRunCommand(lethe)
  addExperimentCommand(lethe)
  addExplainCommand(lethe)
  addCoordinatorCommand(lethe)
  addWorkerCommand(lethe)
  addPlanCommand(lethe)
  addIdentityCommand(lethe)
  addTokenCommand(lethe)
  return lethe
}

/** Prints one line and gives the exit status. */
function fail(thrown: unknown): number {
  if (thrown instanceof CommanderError && thrown.exitCode === 0) return 0
  const error = thrown instanceof CommanderError ? usageError(thrown) : LetheError.from(thrown)
  if (thrown instanceof CommanderError && thrown.code === 'commander.help') return error.exitCode
  process.stderr.write(`${paint(process.stderr, 'red', 'error')} ${printable(error.format())}\n`)
  if (error.code === 'INTERNAL' || process.env.LETHE_LOG === 'debug') process.stderr.write(`${stackOf(error)}\n`)
  return error.exitCode
}

function usageError({ message }: CommanderError): LetheError {
  return new LetheError('USAGE', {
    message: message
      .replace(/^error: /, '')
      .replace(/\s*\n\s*/g, ' ')
      .replace(/\.$/, ''),
  })
}

function stackOf(error: LetheError): string {
  return error.cause instanceof Error ? (error.cause.stack ?? '') : (error.stack ?? '')
}
