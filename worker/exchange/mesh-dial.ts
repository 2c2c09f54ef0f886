import { WebSocket } from 'ws'
import { noMask } from '../../protocol/dial.ts'
import { LetheError } from '../../protocol/errors.ts'
import { bulkMessageBytes, memberHeader, peerPath, protocolVersion, versionHeader } from '../../protocol/socket.ts'
import { clientTls, type TlsFiles } from '../../protocol/tls.ts'

export interface PeerDial {
  /** Whom we mean to reach, and who we are. */
  worker: string
  self: string
  url: string
  meshKey: string
  tls?: TlsFiles
  timeoutMs: number
  /** Called in the event itself: the first message may come before a promise is looked at. */
  onOpen(socket: WebSocket): void
}

/** Opens a socket to another worker. @throws LetheError CONNECTION_REFUSED where it cannot be reached, refuses, or is another worker. */
export function dialPeer({ worker, self, url, meshKey, tls, timeoutMs, onOpen }: PeerDial): Promise<void> {
  const refused = (why: string, cause?: unknown) =>
    new LetheError('CONNECTION_REFUSED', { message: `worker ${worker} cannot be reached directly: ${why}`, cause })
  return new Promise((resolve, reject) => {
    if (!/^wss?:\/\//.test(url) || !URL.canParse(url)) return reject(refused('its address is not one'))
    const socket = new WebSocket(new URL(peerPath, url), {
      headers: { authorization: `Bearer ${meshKey}`, [versionHeader]: String(protocolVersion), [memberHeader]: self },
      maxPayload: bulkMessageBytes,
      perMessageDeflate: false,
      handshakeTimeout: timeoutMs,
      generateMask: noMask,
      ...(tls && clientTls(tls)),
    })
    let reached = ''
    socket.once('upgrade', (response) => {
      reached = String(response.headers[memberHeader])
    })
    // Stays: without any listener a later error would end the process.
    socket.on('error', (cause) => reject(refused(cause.message, cause)))
    socket.once('open', () => {
      if (reached === worker) {
        onOpen(socket)
        return resolve()
      }
      socket.terminate()
      reject(refused('another worker is at its address'))
    })
  })
}
