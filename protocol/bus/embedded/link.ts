import type { Answers, Call, ClientMessage, ServerMessage, Unnumbered } from './wire.ts'

/** What carries messages to the broker: a socket that is made again when it is lost, or the same process. */
export interface Link {
  /** Once, before anything else. */
  start(events: LinkEvents): void
  /** Messages sent while the link is down are lost. */
  send(message: ClientMessage): void
  close(): Promise<void>
}

export interface LinkEvents {
  onMessage(message: ServerMessage): void
  onUp(): void
  onDown(): void
}

/** A call to the broker and its answer. Rejects with BUS_UNAVAILABLE where there is none in time, or with the broker's own error. */
export type Ask = <Op extends Call['op']>(message: Extract<Unnumbered<Call>, { op: Op }>, timeoutMs?: number) => Promise<Answers[Op]>
