import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import type { Bus } from '../../protocol/bus/bus.ts'
import { joinSubject, type LeaderRecord } from '../../protocol/bus/subjects.ts'
import { codeDigest } from '../../protocol/code.ts'
import { LetheError } from '../../protocol/errors.ts'
import { decodeMessage, encodeMessage } from '../../protocol/frame.ts'
import { type Identity, signJoin } from '../../protocol/identity.ts'
import { type Hello, type Welcome, welcomeSchema } from '../../protocol/messages.ts'
import { protocolVersion } from '../../protocol/socket.ts'

const answerMs = 1500

export interface Joiner {
  token: string
  identity: Identity
  /** Of the process that computes. */
  pid: number
}

/** One attempt to join: asked again, it is the same attempt, and gets the same answer. */
export class JoinAttempt {
  readonly #hello: Hello
  readonly #record: LeaderRecord

  constructor(record: LeaderRecord, { token, identity, pid }: Joiner) {
    const instance = randomBytes(16).toString('hex')
    const { runId, epoch } = record
    this.#record = record
    this.#hello = {
      instance,
      protocol: protocolVersion,
      code: codeDigest(),
      pid,
      host: hostname() || 'unknown',
      token,
      ...signJoin(identity, { runId, epoch, instance }),
    }
  }

  isFor(record: LeaderRecord): boolean {
    return record.runId === this.#record.runId && record.epoch === this.#record.epoch && record.coordinator === this.#record.coordinator
  }

  /** @throws LetheError BUS_UNAVAILABLE where nobody answers, else the leader's own refusal. */
  async ask(bus: Bus, cluster: string): Promise<Welcome> {
    const { runId } = this.#record
    const bytes = await bus.request(joinSubject(cluster, runId), encodeMessage(this.#hello), { timeoutMs: answerMs })
    const answer = decodeMessage(bytes, welcomeSchema)
    if (answer.type === 'fail') throw LetheError.fromWire(answer.error)
    if (answer.runId !== runId) throw new LetheError('CONNECTION_FRAME', { message: 'A leader answered for another run' })
    return answer
  }
}
