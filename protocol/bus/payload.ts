import { LetheError } from '../errors.ts'
import { blobBytes, busPayloadBytes } from './bus.ts'

/** How long a call waits for its answer, the time to connect again included. */
export const callMs = 4000

/** @throws LetheError BUS_PAYLOAD for what is too large for a message, a value or an item. */
export function checkPayload(data: Uint8Array): void {
  limit(data, busPayloadBytes, 'A message')
}

/** @throws LetheError BUS_PAYLOAD for what is too large for a blob. */
export function checkBlob(bytes: Uint8Array): void {
  limit(bytes, blobBytes, 'A blob')
}

function limit(bytes: Uint8Array, maxBytes: number, what: string): void {
  if (bytes.byteLength > maxBytes)
    throw new LetheError('BUS_PAYLOAD', {
      message: `${what} is too large for the bus`,
      expected: `at most ${maxBytes} bytes`,
      received: `${bytes.byteLength}`,
    })
}

export function unavailable(
  message: string,
  details: { received?: string; expected?: string; hint?: string; cause?: unknown } = {},
): LetheError {
  return new LetheError('BUS_UNAVAILABLE', { message, ...details })
}
