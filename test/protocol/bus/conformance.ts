import type { Test } from 'tap'
import { blobsConform } from './conformance/blobs.ts'
import { keyValueConforms } from './conformance/keyvalue.ts'
import { messagesConform } from './conformance/messages.ts'
import { queueConforms } from './conformance/queue.ts'
import type { Substrate } from './conformance/substrate.ts'
import { survives } from './conformance/survival.ts'

/** Every promise of `Bus` that both substrates make. */
export function conformance(t: Test, substrate: Substrate): void {
  messagesConform(t, substrate)
  keyValueConforms(t, substrate)
  queueConforms(t, substrate)
  blobsConform(t, substrate)
  const { kill } = substrate
  if (kill) survives(t, { ...substrate, kill })
}
