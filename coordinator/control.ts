import type { Admission } from '../protocol/admission.ts'
import type { Bus } from '../protocol/bus/bus.ts'
import { BusRefused } from '../protocol/bus/refused.ts'
import { downSubject, joinSubject, upSubject } from '../protocol/bus/subjects.ts'
import { LetheError } from '../protocol/errors.ts'
import { decodeMessage, encodeMessage } from '../protocol/frame.ts'
import { type DownPacket, helloSchema, upPacket } from '../protocol/messages.ts'
import type { Log } from './run/events.ts'
import type { Run } from './run/run.ts'

/** How often, and how long, a bus that is away is asked again. */
const subscribeAgainMs = 250
const subscribePatienceMs = 30_000

export interface ControlOptions {
  bus: Bus
  cluster: string
  runId: string
  /** Of this leader: packets of other epochs are not for it. */
  epoch: number
  admission: Admission
  /** May this coordinator answer now? */
  leads(): boolean
  log: Log
}

/** The run on the bus: hellos and packets come in, packets go out. */
export class Control {
  readonly #options: ControlOptions

  constructor(options: ControlOptions) {
    this.#options = options
  }

  publish(address: string, packet: Omit<DownPacket, 'epoch'>): void {
    const { bus, cluster, runId, epoch, leads } = this.#options
    // A process that wakes from a long pause may have been followed by another.
    if (leads()) bus.publish(downSubject(cluster, runId, address), encodeMessage({ ...packet, epoch }))
  }

  /** From now on workers are heard. @returns what ends that. */
  async listen(run: Run): Promise<() => void> {
    const { bus, cluster, runId } = this.#options
    const joins = await patiently(() =>
      bus.subscribe(joinSubject(cluster, runId), ({ data, respond }) => {
        // A deposed leader leaves the answer to the new one.
        if (this.#options.leads()) respond(this.#answer(run, data))
      }),
    )
    const packets = await patiently(() => bus.subscribe(upSubject(cluster, runId), ({ data }) => this.#receive(run, data)))
    bus.onConnection((isConnected) => run.setBus(isConnected))
    return () => {
      joins.unsubscribe()
      packets.unsubscribe()
    }
  }

  #answer(run: Run, data: Uint8Array): Uint8Array {
    const { admission, runId, epoch, log } = this.#options
    try {
      const hello = decodeMessage(data, helloSchema)
      const { fingerprint } = admission.admit(hello, { runId, epoch, now: Date.now() })
      return encodeMessage(run.join({ instance: hello.instance, host: hello.host, fingerprint }))
    } catch (thrown) {
      const error = LetheError.from(thrown)
      log.warn({ code: error.code }, `a worker was refused: ${error.message}`)
      return encodeMessage({ type: 'fail', error: error.toWire() })
    }
  }

  #receive(run: Run, data: Uint8Array): void {
    try {
      const packet = decodeMessage(data, upPacket)
      if (packet.epoch === this.#options.epoch) run.receive(packet)
    } catch (error) {
      // Anyone on the bus can send this; whose it is cannot be known.
      this.#options.log.debug({ code: LetheError.from(error).code }, 'a packet that is none was dropped')
    }
  }
}

/** A bus that is away for a moment must not end a leader that has just been elected; one that refuses will not think better of it. */
async function patiently<Value>(subscribe: () => Promise<Value>): Promise<Value> {
  const givenUpAt = performance.now() + subscribePatienceMs
  for (;;)
    try {
      return await subscribe()
    } catch (error) {
      const isAway = LetheError.from(error).code === 'BUS_UNAVAILABLE' && !(error instanceof BusRefused)
      if (!isAway || performance.now() > givenUpAt) throw error
      await new Promise((resolve) => setTimeout(resolve, subscribeAgainMs))
    }
}
