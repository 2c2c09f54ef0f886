import { hostname } from 'node:os'
import type { Command } from 'commander'
import { joinToken, readJob, runFolder, wholeNumber } from './options.ts'
import { addRunOptions, type RunOptions } from './run.ts'

export function addCoordinatorCommand(program: Command): void {
  addRunOptions(program.command('coordinator'))
    .description('Run a job with workers that are started apart, on this machine or others (`lethe worker --join`).')
    .option('--host <address>', 'address to listen on; 0.0.0.0 for other machines', '127.0.0.1')
    .option('--port <n>', 'port to listen on; 0 takes a free one', wholeNumber(0, 65535), 0)
    .option('--workers <n>', 'workers to wait for before the first step; others may join and leave later', wholeNumber(1, 1024), 1)
    .option('--token-file <file>', 'file that holds the join token (default: LETHE_TOKEN, else a random one, printed)')
    .addHelpText(
      'after',
      `
Examples:
  npx lethe coordinator job.yaml --port 7777
  LETHE_TOKEN=… npx lethe coordinator job.yaml --host 0.0.0.0 --port 7777 --workers 4

The connection is not encrypted: use a private network or a TLS proxy in front of it.`,
    )
    .action(async (file: string, options: RunOptions & { host: string; port: number; workers: number; tokenFile?: string }) => {
      const { job, written } = readJob(file, options)
      const given = joinToken(options.tokenFile)
      const { conduct } = await import('./conduct.ts')
      await conduct({
        coordinator: {
          job,
          written,
          out: runFolder(options.out, job.name),
          host: options.host,
          port: options.port,
          token: given,
          fresh: options.fresh,
          expectedWorkers: options.workers,
        },
        json: options.json ?? false,
        onListening: ({ url, token }) => {
          const secret = given ? 'LETHE_TOKEN=<the token>' : `LETHE_TOKEN=${token}`
          process.stderr.write(
            `listening on ${url}; start workers with:\n  ${secret} npx lethe worker --join ${joinUrl(url, hostname())}\n`,
          )
          return undefined
        },
      })
    })
}

/** The address for workers elsewhere: a coordinator that listens on every address is found by its host's name. */
export function joinUrl(url: string, host: string): string {
  return url.replace(/^ws:\/\/(0\.0\.0\.0|\[::\])(?=:)/, `ws://${host}`)
}
