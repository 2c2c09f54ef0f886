import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { type WebSocket, WebSocketServer } from 'ws'
import { LetheError } from '../../protocol/errors.ts'
import { maxMessageBytes } from '../../protocol/frame.ts'
import { bulkMessageBytes, bulkPath, busPath, heldHeader, memberHeader, protocolVersion, versionHeader } from '../../protocol/socket.ts'
import { answerPings, requestLimits, socketLimits } from '../../protocol/strangers.ts'
import { hasCertificate, serverTls, type TlsFiles } from '../../protocol/tls.ts'

export interface ServerOptions {
  host: string
  port: number
  tls: TlsFiles | undefined
  /** Why whoever has this token cannot be a worker, or null. */
  refusal(token: string): LetheError | null
  /** Serves the embedded bus; null where the bus is elsewhere. */
  onBus: ((socket: WebSocket) => void) | null
  /** Where it is then: the address of NATS. */
  busUrl?: string
  /** Is a worker with this key expected to open its bulk socket? */
  isExpected(memberKey: string): boolean
  onBulk(socket: WebSocket, memberKey: string, holdsSession: boolean): void
  /** How long a stranger may take to say what it wants. */
  requestMs?: number
}

export interface WorkerServer {
  /** ws(s)://host:port */
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

const headerOf = (request: IncomingMessage, name: string) => String(request.headers[name] ?? '')

const unknown = () => new LetheError('CONNECTION_TOKEN', { message: 'the coordinator does not know this token' })

const elsewhere = (busUrl: string | undefined) =>
  new LetheError('CONNECTION_REFUSED', {
    message: 'this coordinator takes workers through NATS, not through its own port',
    hint: busUrl === undefined ? undefined : `Start the worker with --bus ${busUrl}.`,
  })

/** A bulk socket is opened by the key of its membership; the token of whoever joined may have expired since. */
function notAdmitted(request: IncomingMessage, options: ServerOptions): LetheError | null {
  if (request.url === bulkPath) return options.isExpected(headerOf(request, memberHeader)) ? null : unknown()
  const given = /^Bearer (.+)$/.exec(headerOf(request, 'authorization'))?.[1]
  return given === undefined ? unknown() : options.refusal(given)
}

function refusal(request: IncomingMessage, options: ServerOptions): Refusal | null {
  const error = notAdmitted(request, options)
  if (error) return { status: 401, error }
  const version = request.headers[versionHeader]
  if (version !== String(protocolVersion)) {
    const message = 'the coordinator speaks another protocol version'
    const received = typeof version === 'string' && /^[0-9]{1,6}$/.test(version) ? version : 'no version'
    return { status: 426, error: new LetheError('CONNECTION_VERSION', { message, expected: String(protocolVersion), received }) }
  }
  if (request.url === busPath && options.onBus === null) return { status: 404, error: elsewhere(options.busUrl) }
  if (request.url !== bulkPath && request.url !== busPath)
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
function prepare(socket: WebSocket): void {
  socket.on('error', () => {})
  answerPings(socket)
}

/** Accepts workers. Whoever has no token or speaks another version is refused in the upgrade; sizes are limited before parsing. */
export async function listen(options: ServerOptions): Promise<WorkerServer> {
  const { tls } = options
  /** Whoever is no worker learns no more than that something listens here. */
  const dismiss = (_request: unknown, response: ServerResponse) => response.writeHead(426, { connection: 'close' }).end()
  const limits = requestLimits(options.requestMs)
  const server = hasCertificate(tls) ? createTlsServer({ ...serverTls(tls), ...limits }, dismiss) : createServer(limits, dismiss)
  const bus = new WebSocketServer(socketLimits(maxMessageBytes))
  const bulk = new WebSocketServer(socketLimits(bulkMessageBytes))

  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => socket.destroy())
    const refused = refusal(request, options)
    if (refused) return refuse(socket, refused)
    if (request.url === busPath)
      return bus.handleUpgrade(request, socket, head, (one) => {
        prepare(one)
        options.onBus?.(one)
      })
    bulk.handleUpgrade(request, socket, head, (one) => {
      prepare(one)
      options.onBulk(one, headerOf(request, memberHeader), headerOf(request, heldHeader) === 'yes')
    })
  })
  for (const one of [bus, bulk]) one.on('wsClientError', (_error, socket) => socket.destroy())
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

async function start(server: Server, { host, port, tls }: ServerOptions): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      // Only a busy port is helped by another one.
      const hint = cause.code === 'EADDRINUSE' ? undefined : '--host must be an address of this machine.'
      reject(new LetheError('CONNECTION_PORT', { message: `cannot listen on ${host}:${port}`, received: cause.code, hint, cause }))
    })
    server.listen(port, host, resolve)
  })
  const { port: chosen } = server.address() as AddressInfo
  return `${hasCertificate(tls) ? 'wss' : 'ws'}://${host.includes(':') ? `[${host}]` : host}:${chosen}`
}
