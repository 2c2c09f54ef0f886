/*
 * The control plane: small messages between processes that come and go. Two substrates carry it, the coordinator's own broker over
 * WebSocket (`embedded/`) and NATS (`nats/`); one conformance suite holds for both.
 */

/** Largest message, value or queue item: what a NATS server takes by default, less room for headers. */
export const busPayloadBytes = 1000 * 1024
/** Largest blob: small artefacts such as pictures of a measurement, never checkpoints. */
export const blobBytes = 64 * 1024 * 1024

export interface BusMessage {
  subject: string
  data: Uint8Array
  /** Answers a request; does nothing where nobody waits. */
  respond(data: Uint8Array): void
}

export interface Subscription {
  unsubscribe(): void
}

/**
 * Subjects are words of [A-Za-z0-9_-] joined by dots. A pattern may have `*` for one word, and `>` at the end for one or more.
 * While a connection is lost, it is made again without end until `close`; what is published meanwhile may be lost, subscriptions and
 * watches are renewed, and calls that wait for an answer reject with BUS_UNAVAILABLE after their time.
 */
export interface Bus {
  readonly isConnected: boolean
  onConnection(listener: (isConnected: boolean) => void): void
  /** At most once; messages of one publisher on one subject keep their order. Throws BUS_PAYLOAD where too large. */
  publish(subject: string, data: Uint8Array): void
  /** Resolves when messages published from then on arrive. */
  subscribe(pattern: string, onMessage: (message: BusMessage) => void): Promise<Subscription>
  /** Rejects with BUS_UNAVAILABLE where nobody answers in time. */
  request(subject: string, data: Uint8Array, options: { timeoutMs: number }): Promise<Uint8Array>
  keyValue(bucket: string): Promise<KeyValue>
  queue(name: string, options: QueueOptions): Promise<WorkQueue>
  blobs(bucket: string): Promise<Blobs>
  close(): Promise<void>
}

export interface Entry {
  value: Uint8Array
  /** Grows with every change of the bucket. */
  revision: number
}

/** Keys are words joined by dots, like subjects. Reads see what the same process wrote before. */
export interface KeyValue {
  get(key: string): Promise<Entry | null>
  put(key: string, value: Uint8Array): Promise<number>
  /** @returns the revision, or null where the key exists. */
  create(key: string, value: Uint8Array): Promise<number | null>
  /** Compare and set. @returns the new revision, or null where the key is no longer at `revision`. */
  update(key: string, value: Uint8Array, revision: number): Promise<number | null>
  delete(key: string): Promise<void>
  keys(): Promise<string[]>
  /** Calls with every matching entry that exists now, then with every change; null for a deleted key. */
  watch(pattern: string, onEntry: (key: string, entry: Entry | null) => void): Promise<Subscription>
}

export interface QueueOptions {
  /** Time that a taken item is its holder's, from `take` or the last `extend`. */
  leaseMs: number
  /** An item that was taken so often without an acknowledgement becomes a dead letter. */
  maxDeliveries: number
}

/** Items are delivered at least once and acknowledged at most once: of several holders only the last one's word counts. */
export interface WorkQueue {
  /** Resolves when the item would survive the death of the server. @returns false where an item with this id was put before, however long ago. */
  put(id: string, data: Uint8Array): Promise<boolean>
  /** Waits up to `waitMs` for an item. */
  take(options: { waitMs: number }): Promise<Lease | null>
  /** Items neither acknowledged nor dead. */
  size(): Promise<number>
  deadLetters(): Promise<{ id: string; data: Uint8Array; deliveries: number }[]>
}

export interface Lease {
  readonly id: string
  readonly data: Uint8Array
  /** Fencing token: grows with each delivery of the item. */
  readonly epoch: number
  /** Progress was made: the lease runs from now. @returns false where the item belongs to another holder. */
  extend(): Promise<boolean>
  /** The item is done. @returns false where it belongs to another holder, or is done: then nothing happens. */
  acknowledge(): Promise<boolean>
  /** Gives the item back at once. */
  release(): Promise<void>
}

export interface Blobs {
  /** Replaces. Throws BUS_PAYLOAD where too large. */
  put(name: string, bytes: Uint8Array): Promise<void>
  get(name: string): Promise<Uint8Array | null>
  delete(name: string): Promise<void>
}
