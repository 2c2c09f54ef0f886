/*
 * What both ends of a socket agree on before the first message. A coordinator serves the embedded bus (small messages) and bulk sockets
 * (tensors, in segments); workers serve sockets to each other. Token and version travel in the HTTP upgrade, so that a stranger is
 * refused before a byte is parsed.
 */

/** Raised whenever a message, a frame or the arithmetic that peers must share changes. */
export const protocolVersion = 2

/** The embedded bus. */
export const busPath = '/bus'
export const bulkPath = '/bulk'
/** Of a worker, for other workers. */
export const peerPath = '/peer'

export const versionHeader = 'lethe-protocol'
/** Says whose socket it is: the key that `welcome` gave on a bulk socket, the worker's name on a socket between workers. */
export const memberHeader = 'lethe-member'
/** On a bulk socket: `yes` where the worker still has a session of this run, and so needs no files of the parent. */
export const heldHeader = 'lethe-held'

/** Payload of one bulk frame. Long transfers are cut, so that no event loop is held for long. */
export const segmentBytes = 4 * 1024 * 1024
/** Largest WebSocket message of a bulk socket; a longer one is refused before it is read. */
export const bulkMessageBytes = segmentBytes + 128 * 1024

/** Body of a refused upgrade. */
export const refusalBytes = 16 * 1024

export const heartbeatMs = 250
/** Silence after which a worker counts as dead, in time that the coordinator's own loop was awake. */
export const silenceMs = 1500
/** How long a worker looks for a coordinator that serves the bus itself and has gone. */
export const patienceMs = 10_000
/** The same on NATS, where a standby may take over. For a first leader a worker waits without limit. */
export const failoverPatienceMs = 60_000
