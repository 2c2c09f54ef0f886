import { type ConnectionOptions, type NatsConnection, type WsConnectionOptions, wsconnect } from '@nats-io/nats-core'
import { NatsConnectionImpl, setTransportFactory } from '@nats-io/nats-core/internal'
import { nodeResolveHost } from '@nats-io/transport-node/lib/node_transport.js'
import { WebSocket } from 'ws'
import { certificateError } from '../../certificate.ts'
import type { TlsMaterial } from '../../dial.ts'
import { LetheError } from '../../errors.ts'
import { busPayloadBytes } from '../bus.ts'
import { unavailable } from '../payload.ts'
import { BusRefused } from '../refused.ts'
import { parseServer, type Server } from './address.ts'
import { inboxPrefixOf, parseCredentials } from './credentials.ts'
import { awaitGreeting } from './greeting.ts'
import { CheckedTransport } from './transport.ts'

export interface NatsOptions {
  /** Contents of a credentials file: a line `user:password`, a seed of an nkey, or what `nsc generate creds` writes. */
  credentials?: string
  tls?: TlsMaterial
  /** Shown by the server's monitoring. */
  name?: string
  connectTimeoutMs?: number
}

/** Names that need no more than a server of this version, which is Debian 12's. */
const minVersion = [2, 9, 0]
/** Headers of JetStream beside a payload. */
const headerBytes = 8 * 1024

/** A server puts all that waits for a client into one frame of its WebSocket: 64 MiB, unless it is configured otherwise. */
const serverPendingBytes = 80 * 1024 * 1024

/**
 * Connects and checks that the server can carry the bus. Lost connections are made again without end.
 * @throws LetheError CONNECTION_CERTIFICATE, BUS_UNAVAILABLE (a BusRefused where the credentials do not count), USAGE where the address or the credentials have no known form.
 */
export async function connectNats(url: string, options: NatsOptions): Promise<{ connection: NatsConnection; inboxPrefix: string }> {
  const servers = url.split(',').map((one) => parseServer(one.trim()))
  const { isWebSocket, isTls } = servers[0]
  if (servers.some((one) => one.isWebSocket !== isWebSocket || one.isTls !== isTls))
    throw new LetheError('USAGE', { message: 'all addresses of a bus must have the same scheme' })
  const credentials = parseCredentials(options.credentials)
  const timeoutMs = options.connectTimeoutMs ?? 5000
  const first = isWebSocket ? servers[0] : await firstThatGreets(servers, timeoutMs)
  const inboxPrefix = inboxPrefixOf(credentials, options.tls?.cert)
  const common: ConnectionOptions = {
    servers: [first, ...servers.filter((one) => one !== first)].map((one) => one.address),
    noRandomize: true,
    name: options.name ?? 'lethe',
    authenticator: credentials.authenticator,
    ignoreAuthErrorAbort: true,
    inboxPrefix,
    maxPingOut: 2,
    maxReconnectAttempts: -1,
    pingInterval: 1000,
    reconnectJitter: 50,
    reconnectJitterTLS: 50,
    reconnectTimeWait: 250,
    timeout: timeoutMs,
    waitOnFirstConnect: false,
  }
  useTransport(isWebSocket ? 'WebSocket' : 'TCP')
  let broken: Error | null = null
  const onBroken = (error: Error) => {
    broken = error
  }
  let connection: NatsConnection
  try {
    connection = isWebSocket
      ? await wsconnect({ ...common, wsFactory: socketFactory(options.tls, timeoutMs, onBroken) } as unknown as WsConnectionOptions)
      : await connectTcp({ ...common, ...((isTls || options.tls) && { tls: pem(options.tls ?? {}) }) }, onBroken)
  } catch (cause) {
    throw refusal(broken ?? cause, first.address, options)
  }
  try {
    checkServer(connection)
  } catch (error) {
    await connection.close()
    throw error
  }
  return { connection, inboxPrefix }
}

/** The client keeps one kind of transport for the whole process, and would make a lost connection again with the wrong one. */
let transport: 'TCP' | 'WebSocket' | null = null
function useTransport(kind: 'TCP' | 'WebSocket'): void {
  transport ??= kind
  if (transport !== kind) throw new LetheError('USAGE', { message: 'one process cannot use NATS over TCP and over WebSocket' })
}

/** What `connect` of the client's own package does, with a transport that checks whom it speaks with. */
function connectTcp(options: ConnectionOptions, onBroken: (error: Error) => void): Promise<NatsConnection> {
  setTransportFactory({ factory: () => new CheckedTransport(onBroken), dnsResolveFn: nodeResolveHost })
  return NatsConnectionImpl.connect(options)
}

async function firstThatGreets(servers: readonly Server[], timeoutMs: number): Promise<Server> {
  for (const [i, one] of servers.entries()) {
    try {
      await awaitGreeting(one.host, one.port, timeoutMs)
      return one
    } catch (error) {
      if (i === servers.length - 1) throw error
    }
  }
  throw unavailable('the bus has no address')
}

const pem = ({ ca, cert, key }: TlsMaterial) => ({ ca: ca?.toString(), cert: cert?.toString(), key: key?.toString() })

function socketFactory(tls: TlsMaterial | undefined, handshakeTimeout: number, onBroken: (error: Error) => void) {
  return async (address: string) => {
    const socket = new ImpatientSocket(address, { handshakeTimeout, perMessageDeflate: false, maxPayload: serverPendingBytes, ...tls })
    // The client passes on its text alone.
    socket.on('error', onBroken)
    return { socket, encrypted: address.startsWith('wss:') }
  }
}

/** Does not wait long for a server that does not answer a close: the client would wait as long before it connects again. */
class ImpatientSocket extends WebSocket {
  override close(...args: Parameters<WebSocket['close']>): void {
    super.close(...args)
    setTimeout(() => this.terminate(), 250).unref()
  }
}

function checkServer(connection: NatsConnection): void {
  const { version = '0', max_payload: maxPayload = 0 } = connection.info ?? {}
  const parts = version.split(/[.-]/).map(Number)
  const isOld = minVersion.some((wanted, i) => parts[i] < wanted && minVersion.slice(0, i).every((one, j) => parts[j] === one))
  if (isOld || !parts.slice(0, 2).every(Number.isInteger))
    throw unavailable('the NATS server is too old', { expected: `version ${minVersion.slice(0, 2).join('.')} or newer`, received: version })
  if (maxPayload < busPayloadBytes + headerBytes)
    throw unavailable('the NATS server takes too small messages', {
      expected: `max_payload of at least ${busPayloadBytes + headerBytes} bytes`,
      received: `${maxPayload}`,
    })
}

/** TLS 1.3 counts as made before the server has looked at the client's certificate, and its reason may be lost on the way. */
const cutShort = /^(ECONNRESET|EPIPE)$/

function refusal(cause: unknown, address: string, { credentials, tls }: NatsOptions): LetheError {
  if (cause instanceof LetheError) return cause
  const { name = '', message = String(cause), code } = cause instanceof Error ? (cause as NodeJS.ErrnoException) : {}
  const isEncrypted = address.startsWith('wss:')
  const certificate = certificateError(`the NATS server at ${address}`, cause)
  if (certificate) return certificate
  if (name === 'AuthorizationError' || /authorization violation/i.test(message))
    return credentials
      ? new BusRefused({
          message: `the NATS server at ${address} does not accept the credentials`,
          hint: 'Give the file of a user that the server knows with --bus-credentials, or have its configuration loaded again.',
          cause,
        })
      : new BusRefused({
          message: `the NATS server at ${address} wants credentials, and none were given`,
          hint: 'Give the file of a user that the server knows: --bus-credentials.',
          cause,
        })
  const hint = /does not support 'tls'/.test(message)
    ? 'The server speaks no TLS: nats:// without --tls-ca and --tls-cert, where the network is trusted.'
    : isEncrypted && !tls?.cert && (cutShort.test(code ?? '') || message === 'socket hang up')
      ? 'It may want a client certificate: --tls-cert and --tls-key.'
      : undefined
  return unavailable(`cannot reach the NATS server at ${address}`, { received: message || name, hint, cause })
}
