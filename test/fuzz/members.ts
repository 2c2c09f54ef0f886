import type { Bus } from '../../protocol/bus/bus.ts'
import { joinSubject, type LeaderRecord, upSubject } from '../../protocol/bus/subjects.ts'
import { checksum } from '../../protocol/checksum.ts'
import { codeDigest } from '../../protocol/code.ts'
import { decodeMessage } from '../../protocol/frame.ts'
import { createIdentity, signJoin } from '../../protocol/identity.ts'
import { type Hello, welcomeSchema } from '../../protocol/messages.ts'
import { bulkPath, busPath, memberHeader, peerPath, protocolVersion, versionHeader } from '../../protocol/socket.ts'
import { Chance } from '../simulator/chance.ts'
import { join } from '../support/impostor.ts'
import { bulkMessage, hello, type Known, meshMessage, operation, packet, permitted } from './examples.ts'
import { brokenFrame, frame, RawSocket } from './raw.ts'
import { count, repeat, type Tally, tally } from './tally.ts'
import { token } from './target.ts'
import { malformed, mutated, noise, scrambled, write } from './wild.ts'

/* Whoever has the token of the run, and does not behave. */

const patienceMs = 20_000
const version = { [versionHeader]: String(protocolVersion) }

async function expectEnd(socket: RawSocket, result: Tally, what: string): Promise<void> {
  if (!(await socket.ends(patienceMs))) result.violations.push(`${what} did not end the socket`)
  socket.destroy()
}

/** Many operations that are allowed, with content that is not; then one that ends the connection. */
export async function attackBus(port: number, known: Known, messages: number, seed: number): Promise<Tally> {
  const result = tally('/bus', true)
  const chance = new Chance(seed, 2)
  await repeat(messages, 8, async () => {
    const socket = await RawSocket.open(port, busPath, { ...version, authorization: `Bearer ${token}` })
    const batch = Array.from({ length: 30 }, () => frame(write(permitted(chance, known, malformed(chance, packet(chance, known))))))
    batch.push(chance.happens(0.3) ? brokenFrame(chance) : frame(malformed(chance, operation(chance, known))))
    socket.send(Buffer.concat([...batch, frame(Buffer.from([0xc1]))]))
    await expectEnd(socket, result, 'a broken operation')
    result.connections += 1
    result.messages += batch.length + 1
    return batch.length + 1
  })
  return result
}

const helloOf = ({ runId, epoch }: LeaderRecord): Hello => {
  const instance = '1'.repeat(32)
  const code = codeDigest()
  return {
    instance,
    protocol: protocolVersion,
    code,
    pid: 1,
    host: 'fuzz',
    token,
    ...signJoin(createIdentity(), { runId, epoch, instance }),
  }
}

/** Hellos: none of them may be welcome. */
export async function attackJoin(bus: Bus, record: LeaderRecord, known: Known, messages: number, seed: number): Promise<Tally> {
  const result = tally('join', true)
  const chance = new Chance(seed, 3)
  const honest = helloOf(record)
  const subject = joinSubject(known.cluster, known.runId)
  await repeat(messages, 32, async () => {
    const example = hello(chance, honest)
    const data = chance.happens(0.3) ? write(example) : malformed(chance, example)
    const answer = decodeMessage(await bus.request(subject, data, { timeoutMs: patienceMs }), welcomeSchema)
    if (answer.type === 'welcome') result.violations.push('a hello that is not right was welcome')
    else {
      count(result, answer.error.code)
      const text = JSON.stringify(answer.error)
      if (answer.error.code === 'CONNECTION_TOKEN' && /expected|received|[0-9a-f]{32}/.test(text))
        result.violations.push(`told without a token: ${text}`)
      if (text.includes(token)) result.violations.push(`the token was told: ${text}`)
    }
    result.messages += 1
    return 1
  })
  return result
}

/** Packets of nobody, of others, and old ones: all must be dropped. */
export async function attackUp(bus: Bus, known: Known, messages: number, seed: number): Promise<Tally> {
  const result = tally('up', false)
  const chance = new Chance(seed, 4)
  const subject = upSubject(known.cluster, known.runId)
  const packets = 200
  await repeat(messages, 1, async () => {
    for (let i = 0; i < packets; i++) {
      const example = packet(chance, known)
      bus.publish(subject, chance.happens(0.4) ? write(example) : malformed(chance, example))
    }
    // Whoever is answered has been heard before.
    await bus.request(joinSubject(known.cluster, known.runId), Buffer.alloc(0), { timeoutMs: patienceMs })
    result.messages += packets
    return packets
  })
  return result
}

/** A frame of tensors: head and payload as they should be, but for one thing or two. */
function tensorFrame(chance: Chance, message: object): Buffer {
  const payload = Buffer.alloc(chance.pick([0, 4, 64, 4000]))
  const segment = { checksum: checksum(payload), totalBytes: payload.byteLength, offset: 0 }
  const honest = { ...message, ...segment }
  const kind = chance.below(8)
  const header = kind < 4 ? write(mutated(chance, honest), chance) : kind === 4 ? malformed(chance, honest) : write(honest)
  const start = Math.ceil((16 + header.byteLength) / 64) * 64
  const head = Buffer.alloc(start)
  head.write('LTH1', 'latin1')
  head.writeUInt32LE(kind === 5 ? chance.pick([0, 2 ** 31, header.byteLength + 1]) : header.byteLength, 4)
  const payloadBytes = kind === 6 ? chance.pick([1, 2 ** 31, 2 ** 52]) : payload.byteLength
  head.writeBigUInt64LE(BigInt(payloadBytes), 8)
  head.set(header, 16)
  const whole = Buffer.concat([head, payload])
  return kind === 7 ? scrambled(chance, whole) : whole
}

/** One frame that is wrong, or nothing like a frame; then what nobody could mistake for one. */
function badFrames(chance: Chance, message: object): Buffer {
  const kind = chance.below(10)
  const one = kind === 0 ? brokenFrame(chance) : kind === 1 ? frame(noise(chance, 400)) : frame(tensorFrame(chance, message))
  return Buffer.concat([
    one,
    frame(noise(chance, 100)),
    frame(Buffer.from('no frame of tensors at all, and long enough not to be a credit')),
  ])
}

/** Two packets, two old ones, and the first frame: what is behind it is not read any more. */
const messagesEach = 5

/** Packets of memberships that are over, to be sent again. */
const replayed = 64

/** Somebody joins for every frame, because the first one that is wrong ends the membership. */
export async function attackBulk(
  bus: Bus,
  port: number,
  record: LeaderRecord,
  known: Known,
  messages: number,
  seed: number,
): Promise<Tally> {
  const result = tally('/bulk', true)
  const chance = new Chance(seed, 5)
  const subject = upSubject(known.cluster, known.runId)
  const old: Uint8Array[] = []
  await repeat(messages, 16, async () => {
    const { worker, memberKey } = await join(bus, record, token, known.cluster)
    const socket = await RawSocket.open(port, bulkPath, { ...version, [memberHeader]: memberKey })
    // What a member may say, to soften the target: packets of its own, with numbers from elsewhere.
    for (let seq = 1; seq < 3; seq++) {
      const own = packet(chance, known, { worker, memberKey, epoch: known.epoch, seq, ack: 0, body: null })
      bus.publish(subject, chance.happens(0.5) ? write({ ...own, seq: chance.integer(0, 2 ** 40) }) : malformed(chance, own))
      old.push(write({ ...own, body: { type: 'leaving', reason: 'once more' } }))
    }
    if (old.length > replayed) for (const again of old.splice(0, 2)) bus.publish(subject, again)
    socket.send(badFrames(chance, bulkMessage(chance, known)))
    await expectEnd(socket, result, 'a broken frame')
    result.connections += 1
    result.messages += messagesEach
    return messagesEach
  })
  return result
}

/** On the port of a worker, under the key that only workers of the run have. */
export async function attackMesh(port: number, meshKey: string, known: Known, messages: number, seed: number): Promise<Tally> {
  const result = tally('/peer', true)
  const chance = new Chance(seed, 6)
  await repeat(messages, 16, async () => {
    const name = chance.pick([...known.workers, `w${chance.below(1e6)}`, '__proto__', 'x'.repeat(200)])
    const socket = await RawSocket.open(port, peerPath, { ...version, authorization: `Bearer ${meshKey}`, [memberHeader]: name })
    const credit = write({ credit: chance.pick([1, 8, 9, -1, 0, 2 ** 40, Number.NaN]) })
    socket.send(Buffer.concat([...(chance.happens(0.2) ? [frame(credit)] : []), badFrames(chance, meshMessage(chance, known))]))
    await expectEnd(socket, result, 'a broken frame')
    result.connections += 1
    result.messages += 1
    return 1
  })
  return result
}
