import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TlsFiles } from '../../protocol/tls.ts'

const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] })
const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

export interface Files {
  cert: string
  key: string
}

/** A certificate authority in `folder`, made by the openssl command: paths of its certificate and key. */
export function makeAuthority(folder: string, name: string): Files {
  const files = { cert: join(folder, `${name}.pem`), key: join(folder, `${name}.key`) }
  openssl('req', '-x509', ...newKey, '-keyout', files.key, '-out', files.cert, '-days', '2', '-subj', `/CN=${name}`)
  return files
}

/** A certificate of the authority, for 127.0.0.1, ::1 and localhost where `names` says nothing else. `days` may be negative. */
export function makeCertificate(
  folder: string,
  authority: Files,
  name: string,
  { names = 'IP:127.0.0.1,IP:::1,DNS:localhost', days = 2 }: { names?: string; days?: number } = {},
): Files {
  const files = { cert: join(folder, `${name}.pem`), key: join(folder, `${name}.key`) }
  const request = join(folder, `${name}.csr`)
  openssl('req', '-new', ...newKey, '-keyout', files.key, '-out', request, '-subj', `/CN=${name}`, '-addext', `subjectAltName=${names}`)
  const signing = ['-CA', authority.cert, '-CAkey', authority.key, '-CAcreateserial', '-copy_extensions', 'copyall', '-days', String(days)]
  openssl('x509', '-req', '-in', request, '-out', files.cert, ...signing)
  return files
}

export function pemTexts(ca: string | undefined, files?: Files): TlsFiles {
  return {
    ...(ca !== undefined && { ca: readFileSync(ca, 'utf8') }),
    ...(files && { cert: readFileSync(files.cert, 'utf8'), key: readFileSync(files.key, 'utf8') }),
  }
}
