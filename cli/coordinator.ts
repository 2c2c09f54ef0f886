import type { Command } from 'commander'
import { LetheError } from '../protocol/errors.ts'
import { joinToken, wholeNumber } from './options.ts'
import { addRunOptions, coordinatorOptions, type RunOptions } from './run-options.ts'
import { socketUrl } from './security.ts'
import { workerCommand } from './worker-command.ts'

interface CoordinatorCommandOptions extends RunOptions {
  host: string
  port: number
  advertise?: string
  tokenFile?: string
}

export function addCoordinatorCommand(program: Command): void {
  addRunOptions(program.command('coordinator'))
    .description('Run a job with workers that are started apart, on this machine or others. On NATS, start two: the second stands by.')
    .option('--host <address>', 'address to listen on; 0.0.0.0 for other machines', '127.0.0.1')
    .option('--port <n>', 'port to listen on; 0 takes a free one', wholeNumber(0, 65535), 0)
    .option('--advertise <url>', 'address under which workers reach this port, where it is another, such as wss://10.0.0.5:7777', socketUrl)
    .option(
      '--workers <n>',
      'workers to wait for before the first step, for a minute at most; others may join and leave later',
      wholeNumber(1, 1024),
      1,
    )
    .option('--token-file <file>', 'file that holds a join token for all workers (default: LETHE_TOKEN, else a random one, printed)')
    .addHelpText(
      'after',
      `
Examples:
  npx lethe coordinator job.yaml --port 7777
  npx lethe coordinator job.yaml --host 0.0.0.0 --port 7777 --tls-cert cert.pem --tls-key key.pem --identity issuer.pub
  npx lethe coordinator job.yaml --bus tls://nats.example:4222 --bus-credentials coordinator-1.seed --tls-ca ca.pem --token-file token

docs/cluster.md shows a whole cluster.`,
    )
    .action(async (file: string, options: CoordinatorCommandOptions) => {
      const coordinator = coordinatorOptions(file, options)
      const given = joinToken(options.tokenFile)
      if (options.bus && !given && !coordinator.issuer)
        throw new LetheError('USAGE', {
          message: 'every coordinator of a cluster must accept the same tokens',
          expected: '--token-file, LETHE_TOKEN or --identity',
        })
      const { conduct } = await import('./conduct.ts')
      await conduct({
        coordinator: { ...coordinator, host: options.host, port: options.port, advertise: options.advertise, token: given },
        json: options.json ?? false,
        events: options.events,
        onListening: ({ bus, token }) => {
          const isFromEnvironment = given !== undefined && options.tokenFile === undefined
          const command = workerCommand({ ...options, address: bus, token, isFromEnvironment })
          process.stderr.write(`start workers with:\n  ${command}\n`)
        },
      })
    })
}
