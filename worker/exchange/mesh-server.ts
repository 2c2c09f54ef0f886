import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { networkInterfaces } from 'node:os'
import type { Duplex } from 'node:stream'
import { type WebSocket, WebSocketServer } from 'ws'
import { LetheError } from '../../protocol/errors.ts'
import { isSameSecret } from '../../protocol/secret.ts'
import { bulkMessageBytes, memberHeader, peerPath, protocolVersion, versionHeader } from '../../protocol/socket.ts'
import { answerPings, requestLimits, socketLimits } from '../../protocol/strangers.ts'
import { hasCertificate, serverTls, type TlsFiles } from '../../protocol/tls.ts'

export interface MeshServerOptions {
  host: string
  port: number
  tls?: TlsFiles
  meshKey: string
  self: string
  onSocket(worker: string, socket: WebSocket): void
}

export interface MeshServer {
  /** ws(s)://host:port; null where the machine has no address that others could dial. */
  url: string | null
  close(): Promise<void>
}

const workerName = /^[\x21-\x7e]{1,200}$/

/** A stranger learns that there is something, and nothing else. */
function statusOf(request: IncomingMessage, meshKey: string): string | null {
  const given = /^Bearer (.{1,4096})$/.exec(request.headers.authorization ?? '')?.[1]
  if (given === undefined || !isSameSecret(given, meshKey)) return '401 Unauthorized'
  if (request.headers[versionHeader] !== String(protocolVersion)) return '426 Upgrade Required'
  return request.url === peerPath && workerName.test(String(request.headers[memberHeader] ?? '')) ? null : '404 Not Found'
}

function refuse(socket: Duplex, status: string): void {
  socket.once('finish', () => socket.destroy())
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
}

/** Accepts the sockets of other workers of the run. @throws LetheError CONNECTION_PORT where it cannot listen. */
export async function listenForPeers({ host, port, tls, meshKey, self, onSocket }: MeshServerOptions): Promise<MeshServer> {
  const answer = (_request: IncomingMessage, response: ServerResponse) => response.writeHead(426, { connection: 'close' }).end()
  const isSecure = hasCertificate(tls)
  const limits = requestLimits()
  const server: Server = isSecure ? createTlsServer({ ...serverTls(tls), ...limits }, answer) : createServer(limits, answer)
  const sockets = new WebSocketServer(socketLimits(bulkMessageBytes))
  // Ports are used again: whoever dials sees whom it has reached.
  sockets.on('headers', (headers) => headers.push(`${memberHeader}: ${self}`))
  sockets.on('wsClientError', (_error, socket) => socket.destroy())
  server.on('clientError', (_error, socket) => socket.destroy())
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => socket.destroy())
    const status = statusOf(request, meshKey)
    if (status !== null) return refuse(socket, status)
    sockets.handleUpgrade(request, socket, head, (one) => {
      // Without any listener, an error of a socket that nobody takes would end the process.
      one.on('error', () => {})
      answerPings(one)
      onSocket(String(request.headers[memberHeader]), one)
    })
  })
  const connections = new Set<Socket>()
  server.on('connection', (socket) => {
    connections.add(socket)
    socket.once('close', () => connections.delete(socket))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) =>
      reject(new LetheError('CONNECTION_PORT', { message: `a worker cannot listen on ${host}:${port}`, received: cause.code, cause })),
    )
    server.listen(port, host, resolve)
  })
  const name = hostOf(host)
  return {
    url: name && `${isSecure ? 'wss' : 'ws'}://${name}:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of connections) socket.destroy()
      }),
  }
}

/** What others dial; of a socket that listens on every address, the first that is not of this machine alone. */
function hostOf(host: string): string | null {
  const isAny = host === '0.0.0.0' || host === '::'
  const dialled = isAny
    ? Object.values(networkInterfaces())
        .flatMap((addresses) => addresses ?? [])
        .find(({ internal, family }) => !internal && family === 'IPv4')?.address
    : host
  if (dialled === undefined) return null
  return dialled.includes(':') ? `[${dialled}]` : dialled
}
