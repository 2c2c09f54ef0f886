import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { filesDigest } from './digest.ts'

/*
 * Which code computes. Two workers with different sources may differ in a bit of every gradient, which would only show as a disagreement
 * of digests after the first step; so whoever runs other code is refused when it joins.
 */

const root = fileURLToPath(new URL('..', import.meta.url))
/** Everything that decides bits of a result. */
const folders = ['protocol', 'worker']

let digest: string | undefined

/** SHA-256 over the sources, sorted by path: the text that `sha256sum` prints for them, hashed. Read once per process. */
export function codeDigest(): string {
  digest ??= filesDigest(
    folders
      .flatMap((folder) => readdirSync(`${root}${folder}`, { recursive: true, encoding: 'utf8' }).map((path) => `${folder}/${path}`))
      .filter((path) => path.endsWith('.ts'))
      .map((path) => ({ path: path.replaceAll('\\', '/'), bytes: readFileSync(`${root}${path}`) })),
  )
  return digest
}
