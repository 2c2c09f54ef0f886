import { LetheError } from './errors.ts'

/*
 * A reliable, ordered stream of messages over a bus that loses, doubles and reorders: both ends number what they send, say how far
 * they have received, and send again what stays unanswered. No clock and no input or output of its own.
 */

/** What travels: the numbering of `upPacket` and `downPacket`. */
export interface ChannelPacket<Body> {
  /** Number of `body`, from 1; without a body, of the last one sent. */
  seq: number
  /** Every body up to this number has arrived. */
  ack: number
  body: Body | null
}

export interface ChannelOptions<Out, In> {
  /** May lose the packet. */
  send(packet: ChannelPacket<Out>): void
  /** Gets every body of the other end exactly once, in order. */
  deliver(body: In): void
  resendMs?: number
}

/** Bodies on their way at once, and those that a receiver keeps while an earlier one is missing. */
export const windowBodies = 256
/** More than a peer that answers ever leaves open. */
export const maxUnacknowledged = 4096

interface Posted<Body> {
  readonly body: Body
  /** When it was sent last. */
  sentAt: number
}

/** One end of the stream. The caller calls `tick` every 50 ms or so; `now` is in milliseconds of any clock that never goes back. */
export class Channel<Out, In> {
  readonly #options: ChannelOptions<Out, In>
  readonly #resendMs: number
  /** By number; those up to `#sent` have been sent at least once. */
  readonly #posted = new Map<number, Posted<Out>>()
  /** Numbers of the last body posted, sent, and acknowledged by the other end. */
  #last = 0
  #sent = 0
  #acknowledged = 0
  /** Number up to which everything was delivered here. */
  #delivered = 0
  /** Bodies that came before an earlier one. */
  readonly #early = new Map<number, In>()
  #owesAcknowledgement = false

  constructor(options: ChannelOptions<Out, In>) {
    this.#options = options
    this.#resendMs = options.resendMs ?? 300
  }

  /** Bodies posted that the other end has not confirmed. */
  get unacknowledged(): number {
    return this.#last - this.#acknowledged
  }

  /** @throws LetheError CONNECTION_REFUSED where the other end has left too many without an answer. */
  post(body: Out, now: number): void {
    if (this.unacknowledged >= maxUnacknowledged) {
      throw new LetheError('CONNECTION_REFUSED', {
        message: 'the other end of the connection stopped answering',
        expected: `at most ${maxUnacknowledged} messages without an answer`,
        hint: 'Check the network between the two machines.',
      })
    }
    this.#last += 1
    this.#posted.set(this.#last, { body, sentAt: now })
    this.#sendNew(now)
  }

  /** @throws LetheError CONNECTION_FRAME where the packet confirms what was never sent. */
  receive(packet: ChannelPacket<In>, now: number): void {
    if (packet.ack > this.#sent) {
      throw new LetheError('CONNECTION_FRAME', {
        message: 'a peer confirmed a message that was never sent',
        expected: `at most ${this.#sent}`,
        received: String(packet.ack),
      })
    }
    for (; this.#acknowledged < packet.ack; this.#acknowledged += 1) this.#posted.delete(this.#acknowledged + 1)
    this.#sendNew(now)
    // A body that came before tells that the answer to it was lost; a number ahead of ours, that a body was.
    if (packet.body !== null || packet.seq > this.#delivered) this.#owesAcknowledgement = true
    const isNew = packet.seq > this.#delivered && packet.seq <= this.#delivered + windowBodies
    if (packet.body === null || !isNew) return
    this.#early.set(packet.seq, packet.body)
    this.#deliver()
  }

  /** Sends again what has waited too long, and the acknowledgement that is owed. */
  tick(now: number): void {
    for (let seq = this.#acknowledged + 1; seq <= this.#sent; seq += 1) {
      const posted = this.#posted.get(seq)
      if (posted && now - posted.sentAt >= this.#resendMs) this.#send(seq, posted, now)
    }
    if (this.#owesAcknowledgement) this.acknowledge()
  }

  /** Sends a packet without a body, as a heartbeat is. */
  acknowledge(): void {
    this.#owesAcknowledgement = false
    this.#options.send({ seq: this.#sent, ack: this.#delivered, body: null })
  }

  /** What was posted and fits into the window. */
  #sendNew(now: number): void {
    while (this.#sent < this.#last && this.#sent < this.#acknowledged + windowBodies) {
      this.#sent += 1
      const posted = this.#posted.get(this.#sent)
      if (posted) this.#send(this.#sent, posted, now)
    }
  }

  #send(seq: number, posted: Posted<Out>, now: number): void {
    posted.sentAt = now
    this.#owesAcknowledgement = false
    this.#options.send({ seq, ack: this.#delivered, body: posted.body })
  }

  /** Each body is counted before it is handed over, so that an answer from within `deliver` confirms it. */
  #deliver(): void {
    for (let seq = this.#delivered + 1; this.#early.has(seq); seq = this.#delivered + 1) {
      const body = this.#early.get(seq) as In
      this.#early.delete(seq)
      this.#delivered = seq
      this.#options.deliver(body)
    }
  }
}
