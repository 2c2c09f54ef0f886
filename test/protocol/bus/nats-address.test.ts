import t from 'tap'
import { parseServer } from '../../../protocol/bus/nats/address.ts'

t.test('addresses of NATS', async (t) => {
  const cases = {
    'nats://a': { address: 'a:4222', host: 'a', port: 4222, isWebSocket: false, isTls: false },
    'tls://nats.example:4333': { address: 'nats.example:4333', host: 'nats.example', port: 4333, isWebSocket: false, isTls: true },
    'nats://[::1]:80': { address: '[::1]:80', host: '::1', port: 80, isWebSocket: false, isTls: false },
    'nats+ws://a': { address: 'ws://a:80/', host: 'a', port: 80, isWebSocket: true, isTls: false },
    'nats+wss://a': { address: 'wss://a:443/', host: 'a', port: 443, isWebSocket: true, isTls: true },
    'nats+wss://a:8443/bus/x': { address: 'wss://a:8443/bus/x', host: 'a', port: 8443, isWebSocket: true, isTls: true },
  }
  for (const [text, parsed] of Object.entries(cases)) t.same(parseServer(text), parsed, text)
  for (const bad of [
    '',
    'a',
    'nats:a',
    'nats://',
    'nats://a:99999',
    'http://a',
    'ws://a',
    'nats+http://a',
    'nats://user@a',
    'nats://u:p@a',
  ])
    t.throws(() => parseServer(bad), { code: 'USAGE' }, bad)
})
