import { codeDigest } from './code.ts'
import { sha256 } from './digest.ts'
import { LetheError } from './errors.ts'
import { fingerprint, verifyJoin } from './identity.ts'
import type { Hello } from './messages.ts'
import { isSameSecret } from './secret.ts'
import { protocolVersion } from './socket.ts'
import { expired, isExpired, isIssued, readToken, type TokenClaims } from './token.ts'

export interface AdmissionOptions {
  /** Public key (SPKI DER, base64url) of the identity whose join tokens count; null where none do. */
  issuer: string | null
  /** The simple token that all workers share; null where only issued ones count. */
  secret: string | null
  /** Fingerprints of workers that were admitted before. */
  admitted: Iterable<string>
}

const tokenKey = (text: string) => sha256(Buffer.from(text))
const unknownToken = () => new LetheError('CONNECTION_TOKEN', { message: 'the coordinator does not know this token' })

/**
 * Who may join a run. A worker that was admitted once may come back after its token has expired: a long run must not lose workers to the
 * clock.
 */
export class Admission {
  readonly #issuer: string | null
  readonly #secret: string | null
  readonly #admitted: Set<string>
  /** Digests of tokens that opened a membership here. */
  readonly #used = new Set<string>()

  constructor({ issuer, secret, admitted }: AdmissionOptions) {
    if (secret === '') throw new LetheError('INTERNAL', { message: 'an empty token would let everyone in' })
    this.#issuer = issuer
    this.#secret = secret
    this.#admitted = new Set(admitted)
  }

  /** A worker that an earlier coordinator of the run admitted. */
  remember(fingerprint: string): void {
    this.#admitted.add(fingerprint)
  }

  /** For HTTP upgrades, where nothing but the token is known: why who has it cannot be a worker, or null. */
  refusal(text: string, now: number): LetheError | null {
    try {
      const claims = this.#claims(text)
      if (claims === null || !isExpired(claims, now) || this.#used.has(tokenKey(text))) return null
      return claims.subject !== undefined && this.#admitted.has(claims.subject) ? null : expired(claims)
    } catch (error) {
      return LetheError.from(error)
    }
  }

  /**
   * `now` is in milliseconds since 1970.
   * @throws LetheError CONNECTION_TOKEN, CONNECTION_VERSION for another protocol or other code, CONNECTION_IDENTITY for a signature that
   * is not of this run, this leader and this key.
   */
  admit(hello: Hello, { runId, epoch, now }: { runId: string; epoch: number; now: number }): { fingerprint: string } {
    // The token first: a stranger learns nothing of versions.
    const claims = this.#claims(hello.token)
    checkVersion(hello)
    if (!verifyJoin(hello, { runId, epoch }))
      throw new LetheError('CONNECTION_IDENTITY', {
        message: 'the signature of the join does not hold',
        expected: 'one by the key that is named, for this run and this leader',
        hint: 'The hello was damaged or is not of this run; a worker joins again by itself.',
      })
    const worker = fingerprint(hello.publicKey)
    if (claims?.subject !== undefined && claims.subject !== worker)
      throw new LetheError('CONNECTION_IDENTITY', {
        message: 'the join token is bound to another worker',
        expected: `the key ${claims.subject.slice(0, 16)}…`,
        received: `${worker.slice(0, 16)}…`,
        hint: 'Start the worker with the --identity that the token was made for.',
      })
    if (claims !== null && isExpired(claims, now) && !this.#admitted.has(worker)) throw expired(claims)
    this.#admitted.add(worker)
    this.#used.add(tokenKey(hello.token))
    return { fingerprint: worker }
  }

  /** Null for the shared secret, which claims nothing. @throws LetheError CONNECTION_TOKEN. */
  #claims(text: string): TokenClaims | null {
    if (this.#issuer !== null && isIssued(text)) return readToken(text, this.#issuer)
    if (this.#secret === null || !isSameSecret(text, this.#secret)) throw unknownToken()
    return null
  }
}

function checkVersion({ protocol, code }: Hello): void {
  if (protocol !== protocolVersion)
    throw new LetheError('CONNECTION_VERSION', {
      message: 'the coordinator speaks another protocol version',
      expected: String(protocolVersion),
      received: String(protocol),
    })
  if (code !== codeDigest())
    throw new LetheError('CONNECTION_VERSION', {
      message: 'the worker runs other code than the coordinator, and might compute other bits',
      expected: `sources with digest ${codeDigest().slice(0, 16)}…`,
      received: `${code.slice(0, 16)}…`,
      hint: 'Run the same commit of Lethe on both, without local changes in protocol/ and worker/.',
    })
}
