import type { Command } from 'commander'
import { LetheError } from '../protocol/errors.ts'
import { openLog } from './log.ts'
import { joinToken, socketUrl } from './options.ts'

export function addWorkerCommand(program: Command): void {
  program
    .command('worker')
    .description('Join a coordinator and compute for it until the run is over. Data files must be reachable under the paths of the job.')
    .requiredOption('--join <url>', 'address that the coordinator printed, such as ws://10.0.0.5:7777', socketUrl)
    .option('--token-file <file>', 'file that holds the join token (default: LETHE_TOKEN)')
    .addHelpText(
      'after',
      `
Examples:
  LETHE_TOKEN=… npx lethe worker --join ws://127.0.0.1:7777
  npx lethe worker --join ws://10.0.0.5:7777 --token-file /run/secrets/lethe`,
    )
    .action(async (options: { join: string; tokenFile?: string }) => {
      const token = joinToken(options.tokenFile)
      if (!token) throw new LetheError('CONNECTION_TOKEN', { message: 'no join token was given' })
      const { runWorker } = await import('../worker/main.ts')
      await runWorker({ url: options.join, token, log: openLog('worker', 'info') })
    })
}
