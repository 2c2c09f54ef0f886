import { type RawData, WebSocket } from 'ws'
import { LetheError, wireErrorSchema } from '../../protocol/errors.ts'
import { protocolVersion, refusalBytes, versionHeader } from '../../protocol/socket.ts'

const handshakeMs = 5000

export interface Dial {
  url: string
  path: string
  token: string
  maxBytes: number
  headers?: Record<string, string>
  /** Given here because the first message may come before whoever waits for the socket runs again. */
  onMessage(bytes: Uint8Array): void
}

/** Opens a socket to the coordinator. Throws the coordinator's own error where it refuses, else CONNECTION_REFUSED. */
export function connect({ url, path, token, maxBytes, headers, onMessage }: Dial): Promise<WebSocket> {
  const socket = new WebSocket(new URL(path, url), {
    headers: { authorization: `Bearer ${token}`, [versionHeader]: String(protocolVersion), ...headers },
    maxPayload: maxBytes,
    perMessageDeflate: false,
    handshakeTimeout: handshakeMs,
  })
  socket.on('message', (data: RawData) => onMessage(data as Buffer))
  return new Promise((resolve, reject) => {
    socket.once('open', () => resolve(socket))
    socket.once('error', (cause) =>
      reject(new LetheError('CONNECTION_REFUSED', { message: `cannot reach ${url}: ${cause.message}`, cause })),
    )
    socket.once('unexpected-response', (_request, response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (part: string) => {
        text += part
        if (text.length > refusalBytes) response.destroy()
      })
      response.once('close', () => reject(refusalOf(text, url, response.statusCode ?? 0)))
    })
  })
}

function refusalOf(text: string, url: string, status: number): LetheError {
  try {
    return LetheError.fromWire(wireErrorSchema.parse(JSON.parse(text)))
  } catch {
    return new LetheError('CONNECTION_REFUSED', { message: `${url} is not a Lethe coordinator`, received: `HTTP status ${status}` })
  }
}
