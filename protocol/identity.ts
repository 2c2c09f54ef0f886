import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto'
import { canonicalJson, sha256 } from './digest.ts'
import { LetheError } from './errors.ts'

/*
 * Who a process is: an Ed25519 key. A worker signs what it joins, so that a hello that was overheard opens no other run, no other leader
 * and no other membership; the key that signs join tokens is of the same kind.
 */

/** Plain data and a KeyObject: it can be posted to another thread. */
export interface Identity {
  readonly privateKey: KeyObject
  /** SPKI DER, base64url. */
  readonly publicKey: string
  /** SHA-256 of the public key's DER, in lower-case hex. */
  readonly fingerprint: string
}

/** What a signature of a join is bound to. */
export interface JoinClaim {
  runId: string
  /** Of the leader. */
  epoch: number
  instance: string
}

export const maxKeyFileBytes = 16 * 1024

/** SPKI of Ed25519 is this and 32 bytes of key (RFC 8410): anything else is refused before a parser sees it. */
const spkiPrefix = Buffer.from('302a300506032b6570032100', 'hex')
const spkiBytes = spkiPrefix.length + 32
const signatureBytes = 64

/** Strict base64url of so many bytes: one text for one value. Null for everything else. */
export function decodeBase64url(text: string, bytes: number): Buffer | null {
  if (text.length !== Math.ceil((bytes * 8) / 6)) return null
  const decoded = Buffer.from(text, 'base64url')
  return decoded.length === bytes && decoded.toString('base64url') === text ? decoded : null
}

function decodePublicKey(publicKey: string): Buffer | null {
  const der = decodeBase64url(publicKey, spkiBytes)
  return der?.subarray(0, spkiPrefix.length).equals(spkiPrefix) ? der : null
}

function identityOf(privateKey: KeyObject): Identity {
  const publicKey = createPublicKey(privateKey).export({ type: 'spki', format: 'der' }).toString('base64url')
  return { privateKey, publicKey, fingerprint: fingerprint(publicKey) }
}

export function createIdentity(): Identity {
  return identityOf(generateKeyPairSync('ed25519').privateKey)
}

/** The private key as PKCS #8 PEM: a secret. */
export function identityPem(identity: Identity): string {
  return identity.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
}

function notEd25519(what: string, cause?: unknown): LetheError {
  return new LetheError('USAGE', {
    message: `the ${what} key cannot be read`,
    expected: `an Ed25519 ${what} key in PEM`,
    hint: 'Make one with `npx lethe identity create`.',
    // The parser's own words may hold parts of what it was given.
    cause: cause instanceof Error ? new Error(cause.name) : undefined,
  })
}

function parseKey(pem: string, what: 'private' | 'public'): KeyObject {
  if (pem.length > maxKeyFileBytes) throw notEd25519(what)
  let key: KeyObject
  try {
    key = what === 'private' ? createPrivateKey(pem) : createPublicKey(pem)
  } catch (cause) {
    throw notEd25519(what, cause)
  }
  if (key.asymmetricKeyType !== 'ed25519') throw notEd25519(what)
  return key
}

/** @throws LetheError USAGE for whatever is not an Ed25519 private key in PEM. */
export function readIdentity(pem: string): Identity {
  return identityOf(parseKey(pem, 'private'))
}

/** The public half, as in `Identity`, of a private or a public key. @throws LetheError USAGE for whatever is neither. */
export function readPublicKey(pem: string): string {
  return parseKey(pem, 'public').export({ type: 'spki', format: 'der' }).toString('base64url')
}

/** The public half, as in `Identity`, as PEM: for a machine that only checks tokens. */
export function publicKeyPem(publicKey: string): string {
  const der = Buffer.from(publicKey, 'base64url')
  return createPublicKey({ key: der, format: 'der', type: 'spki' }).export({ type: 'spki', format: 'pem' }) as string
}

/** @throws LetheError CONNECTION_IDENTITY for what is not a public key. */
export function fingerprint(publicKey: string): string {
  const der = decodePublicKey(publicKey)
  if (!der) throw new LetheError('CONNECTION_IDENTITY', { message: 'a public key does not have the agreed form' })
  return sha256(der)
}

/** The bytes that a worker signs. The first line keeps signatures of one purpose from serving another. */
export function joinStatement({ runId, epoch, instance, publicKey }: JoinClaim & { publicKey: string }): Uint8Array {
  return Buffer.from(`lethe-join-1\n${canonicalJson({ runId, epoch, instance, publicKey })}`)
}

export function signStatement(identity: Identity, statement: Uint8Array): string {
  return sign(null, statement, identity.privateKey).toString('base64url')
}

/** False for every malformed key or signature too. */
export function verifyStatement(publicKey: string, statement: Uint8Array, signature: string): boolean {
  const der = decodePublicKey(publicKey)
  const bytes = decodeBase64url(signature, signatureBytes)
  if (!der || !bytes) return false
  try {
    return verify(null, statement, createPublicKey({ key: der, format: 'der', type: 'spki' }), bytes)
  } catch {
    return false
  }
}

/** The fields of `hello` that prove who joins. */
export function signJoin(identity: Identity, claim: JoinClaim): { publicKey: string; signature: string } {
  const { publicKey } = identity
  const { runId, epoch, instance } = claim
  return { publicKey, signature: signStatement(identity, joinStatement({ runId, epoch, instance, publicKey })) }
}

/** Does the holder of this key join this run under this leader, with this instance? */
export function verifyJoin(
  { instance, publicKey, signature }: { instance: string; publicKey: string; signature: string },
  { runId, epoch }: { runId: string; epoch: number },
): boolean {
  return verifyStatement(publicKey, joinStatement({ runId, epoch, instance, publicKey }), signature)
}
