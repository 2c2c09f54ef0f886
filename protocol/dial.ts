import { type RawData, WebSocket } from 'ws'
import { certificateError } from './certificate.ts'
import { LetheError, wireErrorSchema } from './errors.ts'
import { protocolVersion, refusalBytes, versionHeader } from './socket.ts'

/** PEM texts: what a TLS connection trusts, and who it is. */
export interface TlsMaterial {
  ca?: string | Buffer
  cert?: string | Buffer
  key?: string | Buffer
}

/**
 * Masking keeps scripts in browsers from writing what a proxy takes for its own protocol. Neither of our ends is a browser, and a key of
 * zeros leaves the bytes as they are: ws then spends nothing on them, where a random key costs several times the sending itself.
 */
export const noMask = (mask: Buffer) => mask.fill(0)

export interface Dial {
  url: string
  path: string
  token?: string
  /** Longest message; a longer one ends the connection before it is read. */
  maxBytes: number
  headers?: Record<string, string>
  tls?: TlsMaterial
  timeoutMs?: number
  /** Given here because the first message may come before whoever waits for the socket runs again. */
  onMessage(bytes: Uint8Array): void
}

/** Opens a socket to a Lethe server. Throws the server's own error where it refuses, else CONNECTION_REFUSED. */
export function dial({ url, path, token, maxBytes, headers, tls, timeoutMs = 5000, onMessage }: Dial): Promise<WebSocket> {
  const socket = new WebSocket(new URL(path, url), {
    headers: { ...(token !== undefined && { authorization: `Bearer ${token}` }), [versionHeader]: String(protocolVersion), ...headers },
    maxPayload: maxBytes,
    perMessageDeflate: false,
    handshakeTimeout: timeoutMs,
    generateMask: noMask,
    ...tls,
  })
  socket.on('message', (data: RawData) => onMessage(data as Buffer))
  return new Promise((resolve, reject) => {
    socket.once('open', () => resolve(socket))
    // Stays: without any listener a later error of the socket would end the process.
    socket.on('error', (cause) => reject(unreachable(url, cause)))
    socket.once('unexpected-response', (_request, response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (part: string) => {
        text += part
        if (text.length > refusalBytes) response.destroy()
      })
      response.once('close', () => {
        reject(refusalOf(text, url, response.statusCode ?? 0))
        socket.terminate()
      })
    })
  })
}

function unreachable(url: string, cause: NodeJS.ErrnoException): LetheError {
  const certificate = certificateError(url, cause)
  if (certificate) return certificate
  // What a listener that speaks TLS makes of a request in the clear.
  const isHungUp = cause.code === 'ECONNRESET' && url.startsWith('ws:')
  const hint = isHungUp ? 'Whoever listens there may speak TLS: try wss://.' : undefined
  return new LetheError('CONNECTION_REFUSED', { message: `cannot reach ${url}: ${cause.message}`, hint, cause })
}

function refusalOf(text: string, url: string, status: number): LetheError {
  try {
    return LetheError.fromWire(wireErrorSchema.parse(JSON.parse(text)))
  } catch {
    return new LetheError('CONNECTION_REFUSED', { message: `${url} is not a Lethe coordinator`, received: `HTTP status ${status}` })
  }
}
