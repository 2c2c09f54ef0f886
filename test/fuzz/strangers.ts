import { bulkPath, busPath, memberHeader, peerPath, protocolVersion, versionHeader } from '../../protocol/socket.ts'
import { Chance } from '../simulator/chance.ts'
import { brokenFrame, exchange, frame, upgradeRequest } from './raw.ts'
import { count, repeat, type Tally, tally } from './tally.ts'
import { malformed, noise, scrambled } from './wild.ts'

/* Whoever has no token and no key, on a port that serves HTTP upgrades. */

const framesBehind = 20
const atOnce = 24

const paths = [busPath, bulkPath, peerPath, '/', '/control', '//', '/bus/', '/bus?x=1', '*', 'http://127.0.0.1/bus', '/%2e%2e/bus', '/\xff']

const guesses = [
  '',
  'x',
  'token',
  'a token',
  'lethe1..',
  `lethe1.${'e30'.repeat(20)}.${'A'.repeat(86)}`,
  'a'.repeat(64),
  '0'.repeat(64),
  'null',
  '\xff\xfe',
]

function headers(chance: Chance): Record<string, string> {
  const guess = chance.pick(guesses)
  const scheme = chance.pick(['Bearer ', 'Bearer  ', 'bearer ', 'Basic ', ''])
  return {
    ...(chance.happens(0.8) && { authorization: scheme + guess }),
    ...(chance.happens(0.6) && { [versionHeader]: chance.pick([String(protocolVersion), '0', '-1', '9'.repeat(300), 'x']) }),
    ...(chance.happens(0.6) && { [memberHeader]: chance.pick([...guesses, 'w1', '__proto__', 'constructor']) }),
    ...(chance.happens(0.1) && { 'sec-websocket-version': chance.pick(['0', '8', '99']) }),
    ...(chance.happens(0.1) && { 'sec-websocket-key': chance.pick(['', 'short', 'x'.repeat(100)]) }),
    ...(chance.happens(0.1) && { 'sec-websocket-extensions': chance.pick(['permessage-deflate', 'x;y=z', ',,,;']) }),
    ...(chance.happens(0.1) && { upgrade: chance.pick(['h2c', 'websocket, websocket', '']) }),
    ...(chance.happens(0.03) && { 'x-much': 'x'.repeat(chance.pick([4000, 20_000, 100_000])) }),
    ...(chance.happens(0.1) && { expect: '100-continue', 'content-length': chance.pick(['5', '-5', '99999999999999999999']) }),
    ...(chance.happens(0.1) && { 'transfer-encoding': chance.pick(['chunked', 'gzip, chunked', 'identity']) }),
  }
}

/** What it sends on one connection: a request that must be refused, and frames right behind it. */
function attempt(chance: Chance): { bytes: Buffer; messages: number } {
  const kind = chance.below(10)
  if (kind === 0) return { bytes: noise(chance, 600), messages: 1 }
  const request = Buffer.from(upgradeRequest(chance.pick(paths), headers(chance)), 'latin1')
  if (kind === 1) return { bytes: scrambled(chance, request), messages: 1 }
  const method = chance.pick(['POST ', 'CONNECT ', 'OPTIONS ', 'PRI '])
  if (kind === 2) return { bytes: Buffer.concat([Buffer.from(method), request.subarray(4)]), messages: 1 }
  const frames = Array.from({ length: framesBehind }, () =>
    chance.happens(0.5)
      ? brokenFrame(chance)
      : frame(malformed(chance, { op: 'publish', subject: 'lethe.a.b.up', data: noise(chance, 40) })),
  )
  return { bytes: Buffer.concat([request, ...frames]), messages: 1 + framesBehind }
}

/** 401, or the plain answers of HTTP to what is no upgrade; or nothing at all. */
const allowed = /^HTTP\/1\.1 (100|400|401|404|405|408|413|417|426|431) /

function check(text: string, secrets: readonly string[], result: Tally): void {
  const status = /^HTTP\/1\.1 (\d{3}) /.exec(text)?.[1] ?? (text === '' ? 'closed' : 'other')
  count(result, status)
  const told = secrets.find((secret) => text.includes(secret))
  const isVersionTold = new RegExp(`${versionHeader}|protocol|"(expected|received)"|[0-9a-f]{32}`, 'i').test(text)
  if (text !== '' && !allowed.test(text)) result.violations.push(`a stranger was answered ${JSON.stringify(text.slice(0, 200))}`)
  else if (told !== undefined || isVersionTold) result.violations.push(`a stranger was told ${JSON.stringify(text.slice(0, 400))}`)
}

/** @param secrets what no answer may hold. */
export async function attackAsStranger(
  name: string,
  port: number,
  messages: number,
  seed: number,
  secrets: readonly string[],
): Promise<Tally> {
  const result = tally(name, false)
  const chance = new Chance(seed, port === 0 ? 0 : 1)
  await repeat(messages, atOnce, async () => {
    const one = attempt(chance)
    const { text, isHeld } = await exchange(port, one.bytes, { isOpenEnded: one.messages > 1 && chance.happens(0.5), patienceMs: 20_000 })
    check(text, secrets, result)
    if (isHeld) result.violations.push(`a stranger's socket was kept: ${JSON.stringify(one.bytes.toString('latin1').slice(0, 300))}`)
    result.connections += 1
    result.messages += one.messages
    return one.messages
  })
  return result
}

/** Strangers who ask nothing to its end, and stay. @returns how many still have their socket when `patienceMs` is over. */
export async function attackByWaiting(port: number, sockets: number, patienceMs: number): Promise<number> {
  const starts = ['', 'G', 'GET /bus HTTP/1.1\r\n', upgradeRequest('/bus', {}).slice(0, -2)]
  const answers = await Promise.all(
    Array.from({ length: sockets }, (_, i) => exchange(port, Buffer.from(starts[i % starts.length]), { isOpenEnded: true, patienceMs })),
  )
  return answers.filter(({ isHeld }) => isHeld).length
}
