import { LetheError } from '../../errors.ts'

/** One server of a cluster of NATS. */
export interface Server {
  address: string
  host: string
  port: number
  isWebSocket: boolean
  isTls: boolean
}

/** @throws LetheError USAGE where the address is none of NATS, or would show a password to everyone on this machine. */
export function parseServer(text: string): Server {
  const match = /^(nats|tls|nats\+ws|nats\+wss):\/\/(.+)$/.exec(text)
  const parsed = match && URL.canParse(`http://${match[2]}`) ? new URL(`http://${match[2]}`) : null
  if (!match || !parsed)
    throw new LetheError('USAGE', { message: 'the address of the bus is not one of NATS', expected: 'nats://host:port' })
  if (parsed.username || parsed.password)
    throw new LetheError('USAGE', {
      message: 'the address of the bus holds a password, which everyone on this machine could read',
      hint: 'Write it into a file for --bus-credentials, as user:password.',
    })
  const isWebSocket = match[1].startsWith('nats+')
  const isTls = match[1] === 'tls' || match[1] === 'nats+wss'
  const [scheme, defaultPort] = isWebSocket ? [isTls ? 'wss://' : 'ws://', isTls ? 443 : 80] : ['', 4222]
  // `http:` hides its own default port.
  const port = Number(parsed.port) || (/:80$/.test(match[2].replace(/\/.*$/, '')) ? 80 : defaultPort)
  const address = `${scheme}${parsed.hostname}:${port}${isWebSocket ? parsed.pathname : ''}`
  return { address, host: parsed.hostname.replace(/^\[|\]$/g, ''), port, isWebSocket, isTls }
}
