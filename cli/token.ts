import { closeSync, openSync, writeSync } from 'node:fs'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { LetheError } from '../protocol/errors.ts'
import {
  createIdentity,
  fingerprint,
  identityPem,
  maxKeyFileBytes,
  publicKeyPem,
  readIdentity,
  readPublicKey,
} from '../protocol/identity.ts'
import { readTextFile } from '../protocol/textfile.ts'
import { issueToken } from '../protocol/token.ts'

const unitMs: Record<string, number> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const maxTtlMs = 30 * unitMs.d

export function addTokenCommand(program: Command): void {
  program
    .command('token')
    .description('Print a join token: who has it may join as a worker until it expires. A worker that has joined may come back later too.')
    .requiredOption('--identity <file>', 'private key of the issuer, whose tokens the coordinator accepts')
    .addOption(new Option('--ttl <time>', 'how long it opens the door: 30s, 15m, 12h, 2d').default(unitMs.h, '1h').argParser(ttl))
    .option('--for <fingerprint>', 'bind it to one worker: the fingerprint of its key', fingerprintOf)
    .addHelpText(
      'after',
      `
Examples:
  npx lethe token --identity key.pem > token
  npx lethe token --identity key.pem --ttl 15m --for "$(npx lethe identity show worker.pem)" > worker.token
  npx lethe coordinator job.yaml --identity key.pem                 # accepts them
  npx lethe worker --bus wss://10.0.0.5:7777 --token-file token     # uses one`,
    )
    .action((options: { identity: string; ttl: number; for?: string }) => {
      const issuer = readIdentity(readKeyFile(options.identity))
      const token = issueToken(issuer, { role: 'worker', expiresInMs: options.ttl, now: Date.now(), subject: options.for })
      process.stdout.write(`${token}\n`)
    })
}

export function addIdentityCommand(program: Command): void {
  const identity = program.command('identity').description('Keys (Ed25519) of workers and of who issues join tokens.')
  identity
    .command('create')
    .description('Make a key, write it to a new file that only you can read, and print its fingerprint.')
    .requiredOption('--out <file>', 'where the private key goes; a file that exists is left alone')
    .addHelpText('after', '\nExample:\n  npx lethe identity create --out key.pem')
    .action(({ out }: { out: string }) => {
      const made = createIdentity()
      writeKeyFile(out, identityPem(made))
      process.stdout.write(`${made.fingerprint}\n`)
    })
  identity
    .command('show')
    .description('Print the fingerprint of a private or public key.')
    .argument('<file>', 'the key (PEM)')
    .option('--public', 'print the public key (PEM) instead: all that a coordinator needs to check tokens')
    .addHelpText(
      'after',
      `
Examples:
  npx lethe identity show worker.pem
  npx lethe identity show key.pem --public > issuer.pem`,
    )
    .action((file: string, options: { public?: boolean }) => {
      const publicKey = readPublicKey(readKeyFile(file))
      process.stdout.write(options.public ? publicKeyPem(publicKey) : `${fingerprint(publicKey)}\n`)
    })
}

const readKeyFile = (path: string) => readTextFile(path, { what: 'key', maxBytes: maxKeyFileBytes })

function writeKeyFile(path: string, pem: string): void {
  try {
    const file = openSync(path, 'wx', 0o600)
    writeSync(file, pem)
    closeSync(file)
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'EEXIST')
      throw new LetheError('USAGE', { message: `${path} exists`, hint: 'A key that is lost cannot be made again: choose another --out.' })
    throw new LetheError('STORAGE_WRITE', { message: `cannot write ${path}`, received: code, hint: 'Check --out.', cause })
  }
}

function ttl(text: string): number {
  const [, count, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? []
  const ms = Number(count) * unitMs[unit]
  if (!(ms > 0 && ms <= maxTtlMs)) throw new InvalidArgumentError('It must be a time such as 15m or 12h, up to 30d.')
  return ms
}

function fingerprintOf(text: string): string {
  if (!/^[0-9a-f]{64}$/.test(text))
    throw new InvalidArgumentError('It must be 64 hexadecimal digits, as `npx lethe identity show` prints them.')
  return text
}
