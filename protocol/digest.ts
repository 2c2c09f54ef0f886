import { createHash, webcrypto } from 'node:crypto'

/** A file by its content. */
export interface FileBytes {
  /** Relative, with '/' between parts. */
  path: string
  bytes: Uint8Array
}

/** SHA-256 in lower-case hex of the bytes, or of several pieces one after the other. */
export function sha256(bytes: Uint8Array | readonly Uint8Array[]): string {
  const hash = createHash('sha256')
  for (const piece of bytes instanceof Uint8Array ? [bytes] : bytes) hash.update(piece)
  return hash.digest('hex')
}

/**
 * One digest of a folder: the SHA-256 of the text that `sha256sum` prints for its files in bytewise order of their paths.
 * @throws RangeError where a path is there twice or holds a line break.
 */
export function filesDigest(files: readonly FileBytes[]): string {
  return listingDigest(files.map(({ path, bytes }) => ({ path, sha256: sha256(bytes) })))
}

/** The same of files that were hashed before. */
export function listingDigest(files: readonly { path: string; sha256: string }[]): string {
  const sorted = files.map((file) => ({ name: Buffer.from(file.path), ...file })).sort((a, b) => Buffer.compare(a.name, b.name))
  sorted.forEach(({ path }, i) => {
    if (/[\n\r\\]/.test(path)) throw new RangeError('a path must not hold a line break or a backslash')
    if (i > 0 && sorted[i - 1].path === path) throw new RangeError(`a file is there twice: ${path}`)
  })
  return sha256(Buffer.from(sorted.map(({ path, sha256: digest }) => `${digest}  ${path}\n`).join('')))
}

/** SHA-256 on another thread: of what is too long for one turn of an event loop. */
export async function sha256Aside(bytes: Uint8Array): Promise<string> {
  return Buffer.from(await webcrypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>)).toString('hex')
}

/**
 * JSON with keys sorted by UTF-16 code units and no white space (the form of RFC 8785). Keys whose value is undefined are left out.
 * @throws TypeError for what JSON cannot hold: non-finite numbers, bigints, functions, undefined outside an object, instances of classes.
 */
export function canonicalJson(value: unknown): string {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return JSON.stringify(value)
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new TypeError(`JSON cannot hold ${value}`)
    return JSON.stringify(value)
  }
  if (Array.isArray(value)) return `[${Array.from(value, canonicalJson).join(',')}]`
  if (typeof value === 'object' && [Object.prototype, null].includes(Object.getPrototypeOf(value))) {
    const entries = Object.entries(value).filter(([, entry]) => entry !== undefined)
    entries.sort(([a], [b]) => (a < b ? -1 : 1))
    return `{${entries.map(([key, entry]) => `${JSON.stringify(key)}:${canonicalJson(entry)}`).join(',')}}`
  }
  throw new TypeError(`JSON cannot hold ${typeof value === 'object' ? 'an instance of a class' : `a value of type ${typeof value}`}`)
}

/** SHA-256 of the canonical JSON of a value. */
export const digestOf = (value: unknown): string => sha256(Buffer.from(canonicalJson(value)))
