import { checkServerIdentity } from 'node:tls'
import type { ServerInfo } from '@nats-io/nats-core/internal'
import type { NodeConnectionOptions } from '@nats-io/transport-node'
import { NodeTransport } from '@nats-io/transport-node/lib/node_transport.js'
import { LetheError } from '../../errors.ts'

type Target = Parameters<NodeTransport['connect']>[0]

/** Ends an attempt to connect at once; what really happened, `onBroken` knows. */
const giveUp = Buffer.from("-ERR 'Authorization Violation'\r\n")

/**
 * The client's TCP transport, with what it leaves out. For an address that is an IP it names no host to TLS, which then takes the host
 * for `localhost`: a certificate for that would do for every address, and the right one for none. And where a server ends the connection
 * after the handshake, as TLS 1.3 does with a certificate that it does not accept, it waits for its own time limit.
 */
export class CheckedTransport extends NodeTransport {
  readonly #onBroken: (error: Error) => void
  #host = ''
  #address = ''
  #wantsCertificate = false

  /** `onBroken` hears why a connection ended before the server's first word on it. */
  constructor(onBroken: (error: Error) => void) {
    super()
    this.#onBroken = onBroken
  }

  override connect(server: Target, options: NodeConnectionOptions): Promise<void> {
    // Servers that a cluster announces by their IPs answer to the name of the one that was dialled, where that has a name.
    this.#host = server.tlsName || server.hostname
    this.#address = `${server.hostname}:${server.port}`
    return super.connect(server, options)
  }

  override async peekInfo(): Promise<ServerInfo> {
    const info: ServerInfo & { tls_verify?: boolean } = await super.peekInfo()
    this.#wantsCertificate = info.tls_verify === true
    const { cert }: { cert?: string } = this.options.tls ?? {}
    if (this.#wantsCertificate && !cert) throw this.#unaccepted('wants a client certificate')
    return info
  }

  override startTLS() {
    const check = {
      checkServerIdentity: (_name: string, certificate: Parameters<typeof checkServerIdentity>[1]) =>
        checkServerIdentity(this.#host, certificate),
    }
    this.options = { ...this.options, tls: { ...this.options.tls, ...check } }
    return super.startTLS()
  }

  override setupHandlers(): void {
    super.setupHandlers()
    let isGreeted = false
    let broken: Error | null = null
    this.socket.once('data', () => {
      isGreeted = true
    })
    this.socket.once('error', (error) => {
      broken = error
    })
    this.socket.once('close', () => {
      if (isGreeted) return
      // Its alert is lost where it came after our first words.
      const reason = this.#wantsCertificate ? this.#unaccepted('ended the connection after it saw the client certificate', broken) : broken
      this.#onBroken(reason ?? new Error('the server ended the connection'))
      this.yields.push(giveUp)
      this.signal.resolve()
    })
  }

  #unaccepted(what: string, cause?: unknown): LetheError {
    return new LetheError('CONNECTION_CERTIFICATE', {
      message: `the NATS server at ${this.#address} ${what}`,
      hint: 'Give --tls-cert and --tls-key of the authority that the server trusts, and --tls-ca with its own.',
      cause,
    })
  }
}
