import { type Command, InvalidArgumentError } from 'commander'
import { clusterPattern } from '../protocol/bus/subjects.ts'
import { LetheError } from '../protocol/errors.ts'
import { type Identity, maxKeyFileBytes, readIdentity, readPublicKey } from '../protocol/identity.ts'
import { readTextFile } from '../protocol/textfile.ts'
import { readTlsFiles, type TlsFiles } from '../protocol/tls.ts'

const maxCredentialsBytes = 16 * 1024

export type Role = 'coordinator' | 'worker'

export interface SecurityOptions {
  identity?: string
  tlsCert?: string
  tlsKey?: string
  tlsCa?: string
  busCredentials?: string
  insecure?: boolean
}

export interface Security {
  /** Of a worker; null where no file was given, and always for a coordinator, which needs no private key. */
  identity: Identity | null
  /** Of a coordinator: public key whose join tokens count; null where none was given. */
  issuer: string | null
  tls: TlsFiles | undefined
  /** Contents of the NATS credentials file. */
  credentials: string | undefined
  /** Plain connections beyond this machine are wanted. */
  insecure: boolean
}

const identityHelp: Record<Role, string> = {
  coordinator: 'accept join tokens that this key issued; its public half is enough',
  worker: 'private key by which the coordinator knows this worker (default: a new one each time)',
}

/** Options that every command with a connection shares. Secrets come from files: every user of the machine can read a command line. */
export function addSecurityOptions(command: Command, role: Role): Command {
  return command
    .option('--identity <file>', identityHelp[role])
    .option('--tls-cert <file>', 'certificate (PEM) to listen with, and to show to servers that ask for one')
    .option('--tls-key <file>', 'its private key (PEM)')
    .option('--tls-ca <file>', 'authority (PEM) that servers, and clients of this process, must have a certificate of')
    .option('--bus-credentials <file>', 'how to log in to NATS: a .creds file, an nkey seed, or user:password')
    .option('--insecure', 'allow connections without TLS beyond this machine')
}

/** @throws LetheError USAGE for a file that is not what its option says. */
export function readSecurity(options: SecurityOptions, role: Role): Security {
  const pem = options.identity === undefined ? null : readTextFile(options.identity, { what: 'identity', maxBytes: maxKeyFileBytes })
  return {
    identity: pem !== null && role === 'worker' ? readIdentity(pem) : null,
    issuer: pem !== null && role === 'coordinator' ? readPublicKey(pem) : null,
    tls: readTlsFiles({ ca: options.tlsCa, cert: options.tlsCert, key: options.tlsKey }),
    credentials:
      options.busCredentials === undefined
        ? undefined
        : readTextFile(options.busCredentials, { what: 'credentials file', maxBytes: maxCredentialsBytes }).trim(),
    insecure: options.insecure ?? false,
  }
}

const schemes = ['ws:', 'wss:', 'nats:', 'tls:', 'nats+ws:', 'nats+wss:']

/** Parser of addresses; those of several NATS servers are joined by commas. */
export function busUrl(text: string): string {
  for (const one of text.split(',').map((part) => part.trim())) {
    const url = URL.canParse(one) ? new URL(one) : undefined
    if (!url || !schemes.includes(url.protocol) || url.hostname === '')
      throw new InvalidArgumentError('It must be like wss://10.0.0.5:7777 or tls://nats.example:4222.')
    // Commander would print the argument, and with it the secret.
    if (url.username !== '' || url.password !== '')
      throw new LetheError('USAGE', {
        message: 'an address must not hold a user or a password',
        hint: 'Put them into a file: --bus-credentials.',
      })
  }
  return text
}

/** Parser of addresses that other processes dial for tensors. */
export function socketUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if ((url?.protocol !== 'ws:' && url?.protocol !== 'wss:') || url.username !== '' || url.password !== '')
    throw new InvalidArgumentError('It must be like wss://10.0.0.5:7777.')
  return text
}

/** Parser of `--cluster`. */
export function clusterName(text: string): string {
  if (!clusterPattern.test(text)) throw new InvalidArgumentError('It must be lower-case letters, digits and hyphens, at most 32.')
  return text
}
