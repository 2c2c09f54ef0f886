import { hostname } from 'node:os'
import type { Command } from 'commander'
import { LetheError } from '../protocol/errors.ts'
import { createIdentity } from '../protocol/identity.ts'
import { openLog } from './log.ts'
import { joinToken, wholeNumber } from './options.ts'
import { addSecurityOptions, busUrl, clusterName, readSecurity, type SecurityOptions, socketUrl } from './security.ts'

interface WorkerCommandOptions extends SecurityOptions {
  bus: string
  cluster: string
  tokenFile?: string
  meshHost: string
  meshPort: number
  meshUrl?: string
}

export function addWorkerCommand(program: Command): void {
  const command = program
    .command('worker')
    .description('Compute for whoever coordinates, until the run is over. Data files must be reachable under the paths of the job.')
    .requiredOption('--bus <url>', 'address that the coordinator printed, such as wss://10.0.0.5:7777, or a NATS server', busUrl)
    .option('--cluster <name>', 'name of the group of runs to work for, on a NATS server', clusterName, 'default')
    .option('--token-file <file>', 'file that holds the join token (default: LETHE_TOKEN)')
    .option('--mesh-host <address>', 'address to listen on for other workers, in runs that share the reduction', '127.0.0.1')
    .option('--mesh-port <n>', 'port to listen on for them; 0 takes a free one', wholeNumber(0, 65535), 0)
    .option('--mesh-url <url>', 'address under which they reach this worker, where it is another', socketUrl)
  addSecurityOptions(command, 'worker')
    .addHelpText(
      'after',
      `
Examples:
  LETHE_TOKEN=… npx lethe worker --bus ws://127.0.0.1:7777
  npx lethe worker --bus wss://10.0.0.5:7777 --tls-ca ca.pem --token-file /run/secrets/lethe
  npx lethe worker --bus tls://nats.example:4222 --bus-credentials worker-1.seed --tls-ca ca.pem --token-file /run/secrets/lethe

SIGTERM lets a worker finish what it has in hand, and leave; a second one ends it at once.`,
    )
    .action(async (options: WorkerCommandOptions) => {
      const token = joinToken(options.tokenFile)
      if (!token) throw new LetheError('CONNECTION_TOKEN', { message: 'no join token was given' })
      const { identity, tls, credentials, insecure } = readSecurity(options, 'worker')
      const own = identity ?? createIdentity()
      // By these the coordinator's reports and tokens know this worker; a name such as w3 is of one membership.
      const log = openLog('worker', 'info').child({ host: hostname(), fingerprint: own.fingerprint })
      const { runWorker } = await import('../worker/main.ts')
      await runWorker({
        bus: options.bus,
        cluster: options.cluster,
        token,
        identity: own,
        tls,
        credentials,
        insecure,
        mesh: { host: options.meshHost, port: options.meshPort, url: options.meshUrl, tls },
        log,
        signal: leaveSignal(),
      })
    })
}

/** Aborted by the first SIGTERM or SIGINT; the second one ends the process. */
function leaveSignal(): AbortSignal {
  const leaving = new AbortController()
  const onSignal = () => {
    if (leaving.signal.aborted) process.exit(130)
    leaving.abort()
  }
  process.on('SIGTERM', onSignal).on('SIGINT', onSignal)
  return leaving.signal
}
