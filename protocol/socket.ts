/*
 * What both ends agree on before the first message: two WebSockets per worker, control (small messages, never delayed by a tensor) and
 * bulk (tensors, in segments). Token and version travel in the HTTP upgrade, so that a stranger is refused before a byte is parsed.
 */

/** Raised whenever a message, a frame or the arithmetic that peers must share changes. */
export const protocolVersion = 1

export const controlPath = '/control'
export const bulkPath = '/bulk'

export const versionHeader = 'lethe-protocol'
/** Names the worker that a bulk socket belongs to: the key that its `welcome` message gave. */
export const memberHeader = 'lethe-member'

/** Largest WebSocket message of each plane; longer ones are refused before they are read. */
export const controlMessageBytes = 1024 * 1024
/** Payload of one bulk frame. Long transfers are cut, so that no event loop is held for long. */
export const segmentBytes = 4 * 1024 * 1024
export const bulkMessageBytes = segmentBytes + 128 * 1024

/** Body of a refused upgrade. */
export const refusalBytes = 16 * 1024

export const heartbeatMs = 500
/** Silence after which a worker counts as dead, in time that the coordinator's own loop was awake. */
export const silenceMs = 2000
/** How long a worker looks for a coordinator that has gone. */
export const patienceMs = 10_000
