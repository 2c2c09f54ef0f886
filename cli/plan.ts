import { type Command, InvalidArgumentError, Option } from 'commander'
import { LetheError } from '../protocol/errors.ts'
import { worthwhileSpeedup } from '../protocol/scaling.ts'
import { bytesPerElement } from '../protocol/wire.ts'
import { addJobOptions, type JobOptions, readJob, wholeNumber } from './options.ts'
import { type PlanRequest, planOf } from './plan-figures.ts'
import { planText } from './plan-table.ts'

interface PlanOptions extends JobOptions, PlanRequest {
  json?: boolean
}

export function addPlanCommand(program: Command): void {
  addJobOptions(program.command('plan'))
    .description('Measure a step of the job here, and work out what more workers would gain, for each reducer. Computes nothing else.')
    .option('--workers <n>', 'the most workers to look at', wholeNumber(1, 64), 8)
    .addOption(
      new Option('--link <rate>', 'rate of the network in one direction, such as 10Gb/s; measured takes a socket on this machine')
        .default(null, 'measured')
        .argParser(linkRate),
    )
    .addOption(
      new Option('--latency <ms>', 'one-way delay of the network in milliseconds').default(null, 'measured').argParser(milliseconds),
    )
    .option('--json', 'print JSON instead of the table')
    .addHelpText(
      'after',
      `
Examples:
  npx lethe plan examples/quickstart.yaml
  npx lethe plan job.yaml --workers 16 --link 10Gb/s --latency 0.2
  npx lethe plan job.yaml --json | jq '.rows[] | select(.isWorthwhile)'

The speed-up is T / (T·share + C): T, all micro-batches of a step on one worker; share, what the busiest worker has of them; C, the time
in which gradients and directions travel. The time to reduce and to apply is not in it. Below ${worthwhileSpeedup}, run whole jobs side by
side: N of them take the time of one.`,
    )
    .action(async (file: string, options: PlanOptions) => {
      const { job } = readJob(file, options)
      if (job.kind === 'evaluate')
        throw new LetheError('USAGE', {
          message: 'an evaluate job has no steps',
          hint: 'Its units need no communication: N workers take 1/N of the time.',
        })
      const [{ measureStepTime }, { measureLinkRate }] = await Promise.all([import('./step-time.ts'), import('./link-rate.ts')])
      const step = await measureStepTime(job)
      const socket = await measureLinkRate(step.summary.parameterCount * bytesPerElement[job.training.wire])
      const found = planOf(job, step, socket, options)
      process.stdout.write(options.json ? `${JSON.stringify(found, null, 2)}\n` : planText(found))
    })
}

/** Bytes per second; null for `measured`. */
function linkRate(text: string): number | null {
  if (text === 'measured') return null
  const [, value, prefix, unit] = /^(\d+(?:\.\d+)?)(k|M|G)(b|B)\/s$/.exec(text) ?? []
  const scale: Record<string, number> = { k: 1e3, M: 1e6, G: 1e9 }
  const bytesPerSecond = (Number(value) * scale[prefix]) / (unit === 'b' ? 8 : 1)
  if (!(bytesPerSecond > 0)) throw new InvalidArgumentError('It must be a rate such as 10Gb/s, 100Mb/s or 1.2GB/s, or measured.')
  return bytesPerSecond
}

function milliseconds(text: string): number {
  const value = Number(text)
  if (!/^\d+(\.\d+)?$/.test(text) || value > 60_000) throw new InvalidArgumentError('It must be a number of milliseconds such as 0.2.')
  return value
}
