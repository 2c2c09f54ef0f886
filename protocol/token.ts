import { z } from 'zod'
import { canonicalJson } from './digest.ts'
import { LetheError } from './errors.ts'
import { type Identity, signStatement, verifyStatement } from './identity.ts'

/*
 * Join tokens: `lethe1.<claims>.<signature>`, signed by the identity that runs the cluster. A token says for how long a worker may join
 * for the first time, and may be bound to one worker's key.
 */

const prefix = 'lethe1.'
const maxTokenLength = 1024
/** How far the clocks of two machines may be apart. */
const clockSkewMs = 60_000

const claimsSchema = z.strictObject({
  role: z.literal('worker'),
  /** Milliseconds since 1970, UTC. */
  expiresAt: z.int().min(0).max(8.64e15),
  /** Fingerprint of the only key that may use it. */
  subject: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .optional(),
})
export type TokenClaims = z.output<typeof claimsSchema>

const statement = (claims: string) => Buffer.from(`lethe-token-1\n${claims}`)

export interface TokenRequest {
  role: 'worker'
  expiresInMs: number
  /** Milliseconds since 1970, UTC. */
  now: number
  subject?: string
}

export function issueToken(issuer: Identity, { role, expiresInMs, now, subject }: TokenRequest): string {
  const claims = Buffer.from(canonicalJson({ role, expiresAt: now + expiresInMs, subject })).toString('base64url')
  return `${prefix}${claims}.${signStatement(issuer, statement(claims))}`
}

/** Issued, not shared: such a text is never compared with a secret. */
export const isIssued = (text: string) => text.startsWith(prefix)

const hint = 'Ask whoever runs the cluster for a new one (`npx lethe token`).'

function damaged(): LetheError {
  return new LetheError('CONNECTION_TOKEN', { message: 'the join token is damaged', expected: 'lethe1.<claims>.<signature>, whole', hint })
}

/**
 * What the issuer vouched for, whether or not it has expired.
 * @throws LetheError CONNECTION_TOKEN where the issuer did not sign this text.
 */
export function readToken(text: string, issuerPublicKey: string): TokenClaims {
  const parts = text.split('.', 4)
  if (text.length > maxTokenLength || !isIssued(text) || parts.length !== 3) throw damaged()
  const [, encoded, signature] = parts
  if (!/^[\w-]+$/.test(encoded) || !/^[\w-]{86}$/.test(signature)) throw damaged()
  // Nothing of a text that the issuer did not sign is parsed.
  if (!verifyStatement(issuerPublicKey, statement(encoded), signature))
    throw new LetheError('CONNECTION_TOKEN', { message: 'the join token was made by another issuer, or is damaged', hint })
  try {
    return claimsSchema.parse(JSON.parse(Buffer.from(encoded, 'base64url').toString()))
  } catch {
    throw damaged()
  }
}

export const isExpired = ({ expiresAt }: TokenClaims, now: number) => now > expiresAt + clockSkewMs

export function expired({ expiresAt }: TokenClaims): LetheError {
  return new LetheError('CONNECTION_TOKEN', { message: `the join token has expired since ${new Date(expiresAt).toISOString()}`, hint })
}

/**
 * What the issuer vouches for now; clocks may differ by a minute.
 * @throws LetheError CONNECTION_TOKEN where it has expired, or the issuer did not sign this text.
 */
export function verifyToken(text: string, issuerPublicKey: string, now: number): TokenClaims {
  const claims = readToken(text, issuerPublicKey)
  if (isExpired(claims, now)) throw expired(claims)
  return claims
}
