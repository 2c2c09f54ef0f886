import { createPrivateKey, X509Certificate } from 'node:crypto'
import { isIPv4 } from 'node:net'
import { createSecureContext, type SecureVersion } from 'node:tls'
import { LetheError } from './errors.ts'
import { readTextFile } from './textfile.ts'

/*
 * TLS on every socket that leaves the machine. One authority (`ca`) for a cluster: whoever listens with it demands a certificate of it
 * from every client, whoever dials with it trusts no other.
 */

/** PEM texts. `cert` and `key` stand together. */
export interface TlsFiles {
  /** The authority whose certificates count, of servers and of clients; the system's for servers where it is left out. */
  ca?: string
  cert?: string
  key?: string
}

/** What node:https and ws take to listen. */
export interface ServerTls {
  cert: string
  key: string
  ca?: string
  requestCert: boolean
  rejectUnauthorized: boolean
  minVersion: SecureVersion
}

/** What node:tls, ws and the NATS client take to dial. */
export interface ClientTls extends TlsFiles {
  minVersion: SecureVersion
}

const maxPemBytes = 1024 * 1024

function unusable(what: string, path: string, details: { expected?: string; received?: string; cause?: unknown }): LetheError {
  return new LetheError('USAGE', {
    message: `the ${what} ${path} cannot be used`,
    hint: 'docs/security.md shows how to make one.',
    ...details,
  })
}

function readCertificate(what: string, path: string, now: number): { pem: string; first: X509Certificate } {
  const pem = readTextFile(path, { what, maxBytes: maxPemBytes })
  let first: X509Certificate
  try {
    first = new X509Certificate(pem)
    createSecureContext({ ca: pem })
  } catch (cause) {
    throw unusable(what, path, { expected: 'a certificate in PEM', cause })
  }
  if (Date.parse(first.validTo) < now) throw unusable(what, path, { received: `a certificate that has expired since ${first.validTo}` })
  return { pem, first }
}

/**
 * Reads what the options name; undefined where they name nothing.
 * @throws LetheError USAGE for a file that is no PEM, an expired certificate, or a key that does not belong to the certificate.
 */
export function readTlsFiles(
  { ca, cert, key }: { ca?: string; cert?: string; key?: string },
  now: number = Date.now(),
): TlsFiles | undefined {
  if ((cert === undefined) !== (key === undefined))
    throw new LetheError('USAGE', {
      message: `--tls-${cert === undefined ? 'cert' : 'key'} is missing`,
      expected: '--tls-cert and --tls-key together',
      hint: 'docs/security.md shows how to make both.',
    })
  if (ca === undefined && cert === undefined) return undefined
  const files: TlsFiles = {}
  if (ca !== undefined) files.ca = readCertificate('certificate authority', ca, now).pem
  if (cert !== undefined && key !== undefined) {
    const { pem, first } = readCertificate('certificate', cert, now)
    files.cert = pem
    files.key = readKey(key, first)
  }
  return files
}

function readKey(path: string, certificate: X509Certificate): string {
  const pem = readTextFile(path, { what: 'private key', maxBytes: maxPemBytes })
  let isPair: boolean
  try {
    isPair = certificate.checkPrivateKey(createPrivateKey(pem))
  } catch {
    // No cause: the parser's words may hold parts of the key.
    throw unusable('private key', path, { expected: 'a private key in PEM, without a pass phrase' })
  }
  if (!isPair) throw unusable('private key', path, { expected: 'the key of --tls-cert' })
  return pem
}

/** Can one listen with these? */
export function hasCertificate(tls: TlsFiles | undefined): tls is TlsFiles & { cert: string; key: string } {
  return tls?.cert !== undefined && tls.key !== undefined
}

/** With `ca`, a client without a certificate of that authority does not get through the handshake. */
export function serverTls({ cert, key, ca }: TlsFiles & { cert: string; key: string }): ServerTls {
  const isMutual = ca !== undefined
  // Both ends are Lethe: nothing older is needed.
  return { cert, key, ...(isMutual && { ca }), requestCert: isMutual, rejectUnauthorized: isMutual, minVersion: 'TLSv1.3' }
}

/** A proxy or a NATS server may stand at the other end, hence 1.2. */
export function clientTls(tls: TlsFiles = {}): ClientTls {
  return { ...tls, minVersion: 'TLSv1.2' }
}

/** Does nothing but this machine reach the address? */
export function isLoopback(host: string): boolean {
  const name = host.replace(/^\[(.*)\]$/, '$1').toLowerCase()
  return name === 'localhost' || name === '::1' || (isIPv4(name) && name.startsWith('127.'))
}

const encrypted = new Set(['wss:', 'tls:', 'nats+wss:', 'https:'])

/**
 * Refuses an address that would carry tokens and weights in the clear over a network. Addresses of several servers are joined by commas.
 * @throws LetheError CONNECTION_INSECURE for a plain scheme beyond loopback, unless `insecure`.
 */
export function assertSecure(addresses: string, { insecure }: { insecure: boolean }): void {
  if (insecure) return
  for (const address of addresses.split(',').map((one) => one.trim())) {
    if (!URL.canParse(address) || !URL.canParse(address.replace(/^[^:]*:/, 'http:')))
      throw new LetheError('USAGE', { message: 'an address cannot be read', expected: 'scheme://host:port' })
    const { protocol } = new URL(address)
    // Read as the one who dials reads it: `\` and `127.1` mean something else in schemes that browsers do not know.
    const { host, hostname } = new URL(address.replace(/^[^:]*:/, 'http:'))
    if (encrypted.has(protocol) || isLoopback(hostname)) continue
    throw new LetheError('CONNECTION_INSECURE', {
      // Nothing else of the address: it may hold a password.
      message: `${protocol}//${host} is not encrypted and leaves this machine`,
      expected: 'wss://, tls:// or nats+wss://, or an address of this machine',
    })
  }
}

/**
 * The same for a socket to listen on.
 * @throws LetheError CONNECTION_INSECURE beyond loopback without a certificate, unless `insecure`.
 */
export function assertSecureListener(host: string, { tls, insecure }: { tls: TlsFiles | undefined; insecure: boolean }): void {
  if (insecure || hasCertificate(tls) || isLoopback(host)) return
  throw new LetheError('CONNECTION_INSECURE', {
    message: `${host} can be reached from other machines, and connections to it would not be encrypted`,
    expected: '--tls-cert and --tls-key, or an address of this machine',
    hint: 'docs/security.md shows how to make certificates; --insecure listens without, where the network is trusted.',
  })
}
