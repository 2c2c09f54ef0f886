import type { WebSocket } from 'ws'

/*
 * What every server of ours has against peers that take and give nothing: strangers that never finish to ask, and peers that never read
 * what they are answered.
 */

/** How long a stranger may take to say what it wants. */
export const requestMs = 10_000

/** Options of a node:http or node:https server. Node looks only now and then, so a socket may live a quarter longer. */
export function requestLimits(ms = requestMs) {
  return { headersTimeout: ms, requestTimeout: ms, handshakeTimeout: ms, connectionsCheckingInterval: Math.ceil(ms / 4) }
}

/** Of a WebSocket server: pings are answered by `answerPings`, sizes are limited before anything is read. */
export const socketLimits = (maxPayload: number) => ({ noServer: true, perMessageDeflate: false, autoPong: false, maxPayload }) as const

/** Answers to pings that may wait for a peer. */
const unsentBytes = 1024 * 1024

/** A peer that pings and does not read is cut off; what else waits for it is not counted. */
export function answerPings(socket: WebSocket): void {
  let waitingBytes = 0
  socket.on('ping', (data: Buffer) => {
    if (waitingBytes > unsentBytes) return socket.terminate()
    waitingBytes += data.byteLength + 1
    socket.pong(data, false, () => {
      waitingBytes -= data.byteLength + 1
    })
  })
}
