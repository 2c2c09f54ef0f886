import { LetheError } from './errors.ts'

/** What openssl and Node call a certificate that does not hold, here or there: the text is for those who know openssl. */
const certificateFault = /^(ERR_TLS_CERT|ERR_SSL_|CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_)/

const hints: Record<string, string> = {
  ERR_TLS_CERT_ALTNAME_INVALID: 'The certificate of the server must name the address that is dialled: docs/security.md shows how.',
  ERR_SSL_WRONG_VERSION_NUMBER: 'Whoever listens there speaks no TLS: another port, or another scheme.',
}

/** @returns CONNECTION_CERTIFICATE where a socket failed because of a certificate, the server's or our own; else null. */
export function certificateError(address: string, cause: unknown): LetheError | null {
  const { code, reason } = (cause ?? {}) as { code?: unknown; reason?: unknown }
  if (typeof code !== 'string' || !certificateFault.test(code)) return null
  const received = code === 'ERR_TLS_CERT_ALTNAME_INVALID' && typeof reason === 'string' ? `${code}: ${reason}` : code
  return new LetheError('CONNECTION_CERTIFICATE', { message: `no TLS connection to ${address}`, received, hint: hints[code], cause })
}
