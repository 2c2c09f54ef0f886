import { type ConnectionOptions, type NatsConnection, type WsConnectionOptions, wsconnect } from '@nats-io/nats-core'
import { connect } from '@nats-io/transport-node'
import { WebSocket } from 'ws'
import type { TlsMaterial } from '../../dial.ts'
import { LetheError } from '../../errors.ts'
import { busPayloadBytes } from '../bus.ts'
import { unavailable } from '../payload.ts'
import { parseServer, type Server } from './address.ts'
import { inboxPrefixOf, parseCredentials } from './credentials.ts'
import { awaitGreeting } from './greeting.ts'

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
 * @throws LetheError BUS_UNAVAILABLE, USAGE where the address or the credentials have no known form.
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
  let connection: NatsConnection
  try {
    connection = isWebSocket
      ? await wsconnect({ ...common, wsFactory: socketFactory(options.tls, timeoutMs) } as unknown as WsConnectionOptions)
      : await connect({ ...common, ...((isTls || options.tls) && { tls: pem(options.tls ?? {}) }) })
  } catch (cause) {
    throw refusal(cause, first.address, options.tls)
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

function socketFactory(tls: TlsMaterial | undefined, handshakeTimeout: number) {
  return async (address: string) => ({
    socket: new ImpatientSocket(address, { handshakeTimeout, perMessageDeflate: false, maxPayload: serverPendingBytes, ...tls }),
    encrypted: address.startsWith('wss:'),
  })
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

function refusal(cause: unknown, address: string, tls: TlsMaterial | undefined): LetheError {
  const { name = '', message = String(cause) } = cause instanceof Error ? cause : {}
  if (name === 'AuthorizationError' || /authorization violation/i.test(message))
    return unavailable(`the NATS server at ${address} does not accept the credentials`, {
      hint: 'Give a user of that server with --bus-credentials, or a client certificate.',
      cause,
    })
  // A server that misses a certificate ends the connection after TLS 1.3 has counted as made: the client just waits.
  const hint = /certificate/i.test(message)
    ? 'Its certificate must be of the CA in --tls-ca, and name the address.'
    : name === 'TimeoutError' && !tls?.cert
      ? 'It may want a client certificate: --tls-cert and --tls-key.'
      : undefined
  return unavailable(`cannot reach the NATS server at ${address}`, { received: message || name, hint, cause })
}
