import type { RawData, WebSocket } from 'ws'
import { clientMessage, type ServerMessage } from '../../protocol/bus/embedded/wire.ts'
import { LetheError } from '../../protocol/errors.ts'
import { decodeMessage, encodeMessage } from '../../protocol/frame.ts'
import type { Outlet, Session } from './session.ts'

/** What may wait for a peer that reads slowly; above it the peer is cut off. */
const unsentBytes = 16 * 1024 * 1024
const pingMs = 5000
/** Pings in a row without any sign of life: a peer whose machine is gone leaves nothing behind. */
const missedPings = 6
/** How long a peer has to close its end. */
const closeMs = 500

/** Joins a socket to a session. Whatever is not a valid message ends both. */
export function serveSocket(socket: WebSocket, open: (outlet: Outlet) => Session): void {
  let missed = 0
  const send = (message: ServerMessage) => {
    if (socket.readyState !== socket.OPEN) return
    if (socket.bufferedAmount > unsentBytes) return socket.terminate()
    socket.send(encodeMessage(message))
  }
  const end = () => {
    socket.close(1008)
    setTimeout(() => socket.terminate(), closeMs).unref()
  }
  const session = open({ send, end })

  const pings = setInterval(() => {
    if (missed++ >= missedPings) return socket.terminate()
    if (socket.readyState === socket.OPEN) socket.ping()
  }, pingMs)
  socket.on('pong', () => {
    missed = 0
  })
  socket.on('message', (data: RawData, isBinary: boolean) => {
    missed = 0
    if (!session.isOpen) return
    try {
      if (!isBinary) throw new LetheError('CONNECTION_FRAME', { message: 'A peer sent text where bytes were agreed' })
      session.handle(decodeMessage(data as Buffer, clientMessage))
    } catch (error) {
      send({ op: 'refused', error: LetheError.from(error).toWire() })
      session.close()
      end()
    }
  })
  socket.on('error', () => socket.terminate())
  socket.on('close', () => {
    clearInterval(pings)
    session.close()
  })
}
