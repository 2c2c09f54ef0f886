import { JetStreamApiError, type JetStreamClient, type JetStreamManager, type StreamConfig } from '@nats-io/jetstream'
import { type NatsConnection, NoRespondersError, RequestError, TimeoutError } from '@nats-io/nats-core'
import { LetheError } from '../../errors.ts'
import { callMs, unavailable } from '../payload.ts'

/** What the parts of the NATS bus share. */
export interface NatsContext {
  connection: NatsConnection
  js: JetStreamClient
  jsm: JetStreamManager
  /** Copies of each stream in a cluster of servers. */
  replicas: number
  /** @returns what takes the listener away. */
  onConnection(listener: (isConnected: boolean) => void): () => void
  /** The same, for the end of the bus. */
  onClose(listener: () => void): () => void
  /**
   * Carries out a call to the server: waits for the connection, ends early where it is lost, and turns what goes wrong into
   * BUS_UNAVAILABLE.
   */
  call<Value>(what: string, act: () => Promise<Value>, timeoutMs?: number): Promise<Value>
}

/** Error codes of JetStream that are answers, not failures. */
export const apiCodes = { wrongLastSequence: 10071, streamNotFound: 10059, consumerNotFound: 10014, nameInUse: 10058, noMessage: 10037 }

export function isApiError(error: unknown, code: number): boolean {
  return error instanceof JetStreamApiError && error.code === code
}

/** Nobody takes the subject: no stream has it. */
export function isUnheard(error: unknown): boolean {
  for (let one: unknown = error; one instanceof Error; one = one.cause)
    if (one instanceof NoRespondersError || one.name === 'JetStreamNotEnabled') return true
  return false
}

export function busError(what: string, error: unknown): LetheError {
  if (error instanceof LetheError) return error
  if (error instanceof JetStreamApiError) return unavailable(`NATS refuses ${what}`, { received: error.message, cause: error })
  if (isUnheard(error))
    return unavailable(`nobody answers ${what}`, { hint: 'The NATS server needs JetStream: start it with -js.', cause: error })
  if (error instanceof TimeoutError || (error instanceof RequestError && error.message === 'timeout'))
    return unavailable(`no answer to ${what} within ${callMs} ms`, { cause: error })
  const message = error instanceof Error ? error.message : String(error)
  return unavailable(`NATS fails at ${what}`, { received: message.slice(0, 500), cause: error })
}

/** Makes a stream unless it exists. What exists stays as it is: an operator may have chosen otherwise. */
export async function ensureStream({ jsm, replicas }: NatsContext, config: Partial<StreamConfig> & { name: string }): Promise<void> {
  try {
    await jsm.streams.add({ storage: 'file', num_replicas: replicas, discard: 'new', ...config } as StreamConfig)
  } catch (error) {
    if (!isApiError(error, apiCodes.nameInUse)) throw error
  }
}

/** Publishes into a stream that is made where it does not exist yet. */
export async function withStream<Value>(
  context: NatsContext,
  config: Partial<StreamConfig> & { name: string },
  act: () => Promise<Value>,
): Promise<Value> {
  try {
    return await act()
  } catch (error) {
    if (!isUnheard(error) && !isApiError(error, apiCodes.streamNotFound)) throw error
    await ensureStream(context, config)
    return act()
  }
}
