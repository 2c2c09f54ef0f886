import { timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { type WebSocket, WebSocketServer } from 'ws'
import { sha256 } from '../../protocol/digest.ts'
import { LetheError } from '../../protocol/errors.ts'
import {
  bulkMessageBytes,
  bulkPath,
  controlMessageBytes,
  controlPath,
  memberHeader,
  protocolVersion,
  versionHeader,
} from '../../protocol/socket.ts'

export interface ServerOptions {
  host: string
  port: number
  token: string
  onControl(socket: WebSocket): void
  /** @returns false where no worker has this key or it already has its bulk socket. */
  onBulk(socket: WebSocket, memberKey: string): boolean
}

export interface WorkerServer {
  /** ws://host:port */
  url: string
  close(): Promise<void>
}

/** How long peers have to answer a close. */
const closeMs = 500

interface Refusal {
  status: number
  error: LetheError
}

const reasons: Record<number, string> = { 401: 'Unauthorized', 404: 'Not Found', 426: 'Upgrade Required' }

/** Digests first: equal lengths, so that the comparison takes the same time for every wrong token. */
function isToken(given: string, token: string): boolean {
  return timingSafeEqual(Buffer.from(sha256(Buffer.from(given))), Buffer.from(sha256(Buffer.from(token))))
}

function refusal(request: IncomingMessage, token: string): Refusal | null {
  const given = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1]
  if (given === undefined || !isToken(given, token))
    return { status: 401, error: new LetheError('CONNECTION_TOKEN', { message: 'the coordinator does not know this token' }) }
  const version = request.headers[versionHeader]
  if (version !== String(protocolVersion)) {
    const message = 'the coordinator speaks another protocol version'
    const received = typeof version === 'string' && /^[0-9]{1,6}$/.test(version) ? version : 'no version'
    return { status: 426, error: new LetheError('CONNECTION_VERSION', { message, expected: String(protocolVersion), received }) }
  }
  if (request.url !== controlPath && request.url !== bulkPath)
    return { status: 404, error: new LetheError('CONNECTION_REFUSED', { message: 'the coordinator has no such path' }) }
  return null
}

function refuse(socket: Duplex, { status, error }: Refusal): void {
  const body = JSON.stringify(error.toWire())
  const head = [
    `HTTP/1.1 ${status} ${reasons[status]}`,
    'Connection: close',
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...(status === 426 ? [`${versionHeader}: ${protocolVersion}`] : []),
  ]
  // A stranger that does not close its end keeps nothing of ours.
  const patience = setTimeout(() => socket.destroy(), closeMs)
  socket.once('close', () => clearTimeout(patience))
  socket.once('finish', () => socket.destroy())
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
}

/** Who takes the socket listens too; without any listener, an error of one that was refused would end the process. */
function ignoreErrors(socket: WebSocket): void {
  socket.on('error', () => {})
}

/** Accepts workers. Whoever has no token or speaks another version is refused in the upgrade; sizes are limited before parsing. */
export async function listen(options: ServerOptions): Promise<WorkerServer> {
  const server = createServer((_request, response) => {
    response
      .writeHead(426, { 'content-type': 'text/plain', connection: 'close' })
      .end('This is a Lethe coordinator: workers join by WebSocket.\n')
  })
  const control = new WebSocketServer({ noServer: true, maxPayload: controlMessageBytes, perMessageDeflate: false })
  const bulk = new WebSocketServer({ noServer: true, maxPayload: bulkMessageBytes, perMessageDeflate: false })

  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => socket.destroy())
    const refused = refusal(request, options.token)
    if (refused) return refuse(socket, refused)
    if (request.url === controlPath)
      return control.handleUpgrade(request, socket, head, (one) => {
        ignoreErrors(one)
        options.onControl(one)
      })
    bulk.handleUpgrade(request, socket, head, (one) => {
      ignoreErrors(one)
      if (!options.onBulk(one, String(request.headers[memberHeader] ?? ''))) one.close(1008, 'no such worker')
    })
  })
  for (const one of [control, bulk]) one.on('wsClientError', (_error, socket) => socket.destroy())
  server.on('clientError', (_error, socket) => socket.destroy())

  const sockets = new Set<Socket>()
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  const url = await start(server, options)
  return {
    url,
    close: () =>
      new Promise((resolve) => {
        const patience = setTimeout(() => {
          for (const socket of sockets) socket.destroy()
        }, closeMs)
        server.close(() => {
          clearTimeout(patience)
          resolve()
        })
      }),
  }
}

async function start(server: Server, { host, port }: ServerOptions): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      // Only a busy port is helped by another one.
      const hint = cause.code === 'EADDRINUSE' ? undefined : '--host must be an address of this machine.'
      reject(new LetheError('CONNECTION_PORT', { message: `cannot listen on ${host}:${port}`, received: cause.code, hint, cause }))
    })
    server.listen(port, host, resolve)
  })
  const { port: chosen } = server.address() as AddressInfo
  return `ws://${host.includes(':') ? `[${host}]` : host}:${chosen}`
}
