import { setTimeout as sleep } from 'node:timers/promises'
import {
  DiscardPolicy,
  JetStreamApiError,
  type JetStreamClient,
  type JetStreamManager,
  StorageType,
  type StreamConfig,
} from '@nats-io/jetstream'
import { type NatsConnection, NoRespondersError, PermissionViolationError, RequestError, TimeoutError } from '@nats-io/nats-core'
import { LetheError } from '../../errors.ts'
import { callMs, unavailable } from '../payload.ts'
import { BusRefused } from '../refused.ts'

/** What the parts of the NATS bus share. */
export interface NatsContext {
  connection: NatsConnection
  js: JetStreamClient
  jsm: JetStreamManager
  /** A subject of this client alone, within what its user may subscribe to. */
  inbox(): string
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
export const apiCodes = {
  wrongLastSequence: 10071,
  streamNotFound: 10059,
  consumerNotFound: 10014,
  nameInUse: 10058,
  subjectsOverlap: 10065,
  noMessage: 10037,
}

export function isApiError(error: unknown, code: number): boolean {
  return error instanceof JetStreamApiError && error.code === code
}

/** Nobody takes the subject: no stream has it. */
export function isUnheard(error: unknown): boolean {
  for (let one: unknown = error; one instanceof Error; one = one.cause)
    if (one instanceof NoRespondersError || one.name === 'JetStreamNotEnabled') return true
  return false
}

function isForbidden(error: unknown): boolean {
  for (let one: unknown = error; one instanceof Error; one = one.cause) if (one instanceof PermissionViolationError) return true
  return false
}

export function busError(what: string, error: unknown): LetheError {
  if (error instanceof LetheError) return error
  if (isForbidden(error))
    return new BusRefused({
      message: `NATS does not allow this user ${what}`,
      received: error instanceof Error ? error.message.slice(0, 500) : undefined,
      hint: 'The rights of a user are those of its role and its cluster: deploy/nats/README.md.',
      cause: error,
    })
  if (error instanceof JetStreamApiError) return unavailable(`NATS refuses ${what}`, { received: error.message, cause: error })
  if (isUnheard(error))
    return unavailable(`nobody answers ${what}`, { hint: 'The NATS server needs JetStream: start it with -js.', cause: error })
  if (error instanceof TimeoutError || (error instanceof RequestError && error.message === 'timeout'))
    return unavailable(`no answer to ${what} within ${callMs} ms`, { cause: error })
  const message = error instanceof Error ? error.message : String(error)
  return unavailable(`NATS fails at ${what}`, { received: message.slice(0, 500), cause: error })
}

/** Streams that a connection has seen complete. */
const complete = new WeakMap<NatsConnection, Set<string>>()
/** How long a stream may take from its creation until it takes messages. */
const creationMs = 2000
const pollMs = 10

/**
 * Whether a stream exists and is complete. A server 2.9 shows a stream before it has its store, and dies of a read of it (a null pointer,
 * mended later in 2.9), so everything but a question for its state must wait until it has the time of its creation.
 */
export async function streamExists({ connection, jsm }: NatsContext, name: string): Promise<boolean> {
  const known = complete.get(connection) ?? new Set()
  complete.set(connection, known)
  if (known.has(name)) return true
  for (const begin = performance.now(); performance.now() - begin < creationMs; await sleep(pollMs)) {
    try {
      const { created } = await jsm.streams.info(name)
      if (created.startsWith('0001-')) continue
      known.add(name)
      return true
    } catch (error) {
      if (isApiError(error, apiCodes.streamNotFound)) return false
      throw error
    }
  }
  throw unavailable(`the stream ${name} is not completed by its server`)
}

/** For a stream that is gone: the next one of its name must be awaited again. */
export function forgetStream({ connection }: NatsContext, name: string): void {
  complete.get(connection)?.delete(name)
}

type StreamWish = Partial<StreamConfig> & { name: string }

/** Makes a stream unless it exists. What exists stays as it is: an operator may have chosen otherwise. */
export async function ensureStream(context: NatsContext, config: StreamWish): Promise<void> {
  if (await streamExists(context, config.name)) return
  try {
    await context.jsm.streams.add({
      storage: StorageType.File,
      num_replicas: context.replicas,
      discard: DiscardPolicy.New,
      ...config,
    } as StreamConfig)
  } catch (error) {
    // While a server 2.9 makes this very stream for somebody else, it may know its subjects already, and not yet its name.
    const isOwn = isApiError(error, apiCodes.nameInUse) || (isApiError(error, apiCodes.subjectsOverlap) && (await appears(context, config)))
    if (!isOwn) throw error
  }
  await streamExists(context, config.name)
}

async function appears(context: NatsContext, { name }: StreamWish): Promise<boolean> {
  for (const begin = performance.now(); performance.now() - begin < creationMs; await sleep(pollMs))
    if (await streamExists(context, name)) return true
  return false
}

/** Publishes into a stream that is made where it does not exist yet. */
export async function withStream<Value>(context: NatsContext, config: StreamWish, act: () => Promise<Value>): Promise<Value> {
  const begin = performance.now()
  for (;;) {
    try {
      return await act()
    } catch (error) {
      if (!isUnheard(error) || performance.now() - begin > creationMs) throw error
    }
    // Another client may be making it just now: complete, it still has to subscribe.
    forgetStream(context, config.name)
    await ensureStream(context, config)
    await sleep(pollMs)
  }
}
