import type { SecurityOptions } from './security.ts'
import { shellWord } from './terminal.ts'

interface Coordinates extends SecurityOptions {
  /** Where workers find the bus. */
  address: string
  /** On NATS. */
  cluster: string
  tokenFile?: string
  /** That counts for all workers; null where only issued ones do. */
  token: string | null
  /** It came with LETHE_TOKEN. */
  isFromEnvironment: boolean
}

/**
 * The command that starts a worker for this coordinator. On this machine it works as it stands, but for words in capitals: they stand for
 * secrets that a coordinator does not have.
 */
export function workerCommand(options: Coordinates): string {
  const { address, cluster, tokenFile, token, isFromEnvironment } = options
  const isNats = !/^wss?:/.test(address)
  const [secret, tokenOption] = tokenFile
    ? ['', tokenFile]
    : token === null
      ? ['', 'ISSUED_TOKEN_FILE']
      : // Written out, a secret of the environment would be in the shell's history.
        [isFromEnvironment ? 'LETHE_TOKEN="$LETHE_TOKEN" ' : `LETHE_TOKEN=${shellWord(token)} `, undefined]
  const given: [option: string, value: string | undefined][] = [
    ['--bus', address],
    ['--cluster', isNats && cluster !== 'default' ? cluster : undefined],
    ['--token-file', tokenOption],
    // A worker's own, with fewer rights than the coordinator's.
    ['--bus-credentials', isNats && options.busCredentials !== undefined ? 'WORKER_CREDENTIALS_FILE' : undefined],
    ['--tls-ca', options.tlsCa],
    ['--tls-cert', options.tlsCert],
    ['--tls-key', options.tlsKey],
  ]
  const words = given.flatMap(([option, value]) => (value === undefined ? [] : [option, shellWord(value)]))
  return `${secret}npx lethe worker ${[...words, ...(options.insecure ? ['--insecure'] : [])].join(' ')}`
}
