import { LetheError } from '../errors.ts'
import type { Bus } from './bus.ts'
import { EmbeddedBus } from './embedded/client.ts'
import { SocketLink } from './embedded/websocket.ts'
import { NatsBus, type NatsBusOptions } from './nats.ts'

export interface BusOptions extends NatsBusOptions {
  /** Embedded only: what the coordinator's server asks for. */
  token?: string
  headers?: Record<string, string>
}

/**
 * Opens the bus at an address: ws(s)://host:port is the one inside of a coordinator, nats://, tls:// (TCP), nats+ws:// and nats+wss://
 * (WebSocket listener) are those of a NATS server; addresses of several servers of one cluster are joined by commas.
 * @throws LetheError BUS_UNAVAILABLE, or the coordinator's own refusal, or CONNECTION_REFUSED where no coordinator answers.
 */
export async function openBus(url: string, options: BusOptions = {}): Promise<Bus> {
  const scheme = /^([a-z+]+):\/\/./.exec(url)?.[1]
  switch (scheme) {
    case 'ws':
    case 'wss': {
      const { token, headers, tls, connectTimeoutMs } = options
      return new EmbeddedBus(await SocketLink.open({ url, token, headers, tls, timeoutMs: connectTimeoutMs }))
    }
    case 'nats':
    case 'tls':
    case 'nats+ws':
    case 'nats+wss':
      return NatsBus.open(url, options)
    default:
      throw new LetheError('USAGE', {
        message: 'the address of the bus has an unknown scheme',
        expected: 'ws://, wss://, nats://, tls://, nats+ws:// or nats+wss://',
      })
  }
}
