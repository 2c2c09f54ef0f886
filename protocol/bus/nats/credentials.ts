import { X509Certificate } from 'node:crypto'
import { type Authenticator, credsAuthenticator, nkeyAuthenticator, usernamePasswordAuthenticator } from '@nats-io/nats-core'
import { nkeys } from '@nats-io/nats-core/internal'
import { LetheError } from '../../errors.ts'

export interface Credentials {
  authenticator?: Authenticator
  /** Name, or public key. */
  user?: string
}

const encoder = new TextEncoder()
const seedForm = /^SU[A-Z2-7]{56}$/
/** What `nsc` writes: a token, then the seed that signs with it. */
const credsForm = /^-+BEGIN NATS USER JWT-+\n\S+\n[\s\S]*^(SU[A-Z2-7]{56})$/m

/** @throws LetheError USAGE where the text has none of the known forms. */
export function parseCredentials(text: string | undefined): Credentials {
  const content = text?.replaceAll('\r', '').trim()
  if (!content) return {}
  try {
    const seed = credsForm.exec(content)?.[1]
    if (seed) return { authenticator: credsAuthenticator(encoder.encode(`${content}\n`)), user: publicKey(seed) }
    if (seedForm.test(content)) return { authenticator: nkeyAuthenticator(encoder.encode(content)), user: publicKey(content) }
    const [, user, password] = /^([^:\s]+):(\S+)$/.exec(content) ?? []
    if (user) return { authenticator: usernamePasswordAuthenticator(user, password), user }
  } catch {
    // Told below, without the cause: its text could hold the secret.
  }
  throw new LetheError('USAGE', {
    message: 'the bus credentials have none of the known forms',
    expected: 'one line user:password, a seed of an nkey (SU…), or a file made by `nsc generate creds`',
  })
}

const publicKey = (seed: string) => nkeys.fromSeed(encoder.encode(seed)).getPublicKey()

/** Each user has inboxes of its own, so that permissions can keep others from reading its answers. */
export function inboxPrefixOf({ user }: Credentials, certificate: string | Buffer | undefined): string {
  const owner = user ?? (certificate && commonName(certificate)) ?? 'lethe'
  return `_INBOX_${owner.replace(/[^A-Za-z0-9_-]/g, '_')}`
}

/** What `verify_and_map` calls the user of a certificate ends in its common name. */
function commonName(certificate: string | Buffer): string | undefined {
  try {
    return /^CN=(.+)$/m.exec(new X509Certificate(certificate).subject)?.[1]
  } catch {
    // What is wrong with the certificate, TLS will say.
    return undefined
  }
}
