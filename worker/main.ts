import { type Identity, identityPem } from '../protocol/identity.ts'
import { assertSecure, assertSecureListener, type TlsFiles } from '../protocol/tls.ts'
import { Holdings, type OpenSession } from './runtime/holdings.ts'
import { Link, type Seat } from './runtime/link.ts'
import { type Ending, Membership } from './runtime/membership.ts'
import type { MeshAddress } from './runtime/sharing.ts'
import { Watermark } from './runtime/watermark.ts'
import { openSession as openJobSession } from './session.ts'

export interface WorkerOptions {
  /** ws(s)://host:port of a coordinator that serves the bus itself, or nats://, tls://, nats+ws(s):// of a NATS server. */
  bus: string
  /** Separates users of one NATS server. */
  cluster?: string
  token: string
  identity: Identity
  tls?: TlsFiles
  /** Contents of a NATS credentials file. */
  credentials?: string
  /** Where other workers reach this one, in runs that share the reduction; with `tls` where it has none of its own. */
  mesh?: MeshAddress
  /** Allows sockets beyond this machine without TLS. */
  insecure?: boolean
  openSession?: OpenSession
  log?: { info(fields: object, message: string): void; warn(fields: object, message: string): void }
  /** Aborted, the worker leaves: it does what it has in hand, and ends when the coordinator lets it go. */
  signal?: AbortSignal
}

const loopback: MeshAddress = { host: '127.0.0.1', port: 0 }
/** How long a worker that leaves waits for the coordinator's word. */
const drainMs = 10_000

/**
 * Computes for whoever leads a run, until the run is over or the worker is asked to leave. Where the coordinator is away, looks for it:
 * for 10 s where it serves the bus itself, for a minute on NATS, and there without limit for a first one.
 * @throws LetheError CONNECTION_TOKEN, CONNECTION_IDENTITY or CONNECTION_VERSION where it is refused, CONNECTION_INSECURE where a socket
 * would not be encrypted, CONNECTION_REFUSED or BUS_UNAVAILABLE when patience ends, and whatever fails in the work.
 */
export async function runWorker(options: WorkerOptions): Promise<void> {
  const { bus, cluster = 'default', token, identity, tls, credentials, insecure = false, signal, log } = options
  const mesh = { ...loopback, ...options.mesh, tls: options.mesh?.tls ?? tls }
  // One address, or several of one NATS cluster.
  for (const address of bus.split(',')) assertSecure(address.trim(), { insecure })
  assertSecureListener(mesh.host, { tls: mesh.tls, insecure })
  const watermark = new Watermark()
  const holdings = new Holdings(options.openSession ?? openJobSession)
  const data = {
    url: bus,
    cluster,
    token,
    identity: identityPem(identity),
    tls,
    credentials,
    pid: process.pid,
    watermark: watermark.memory,
  }
  const link = new Link(data, (message) => log?.info({ bus }, message))
  const onNotice = (message: string) => log?.warn({ bus }, message)
  try {
    for (;;) {
      const seat = await seatUnlessLeft(link, signal)
      if (!seat) return log?.info({ bus }, signal?.aborted ? 'left' : 'the run is finished')
      log?.info({ bus }, `joined as ${seat.welcome.worker}`)
      const membership = new Membership({ seat, holdings, token, tls, mesh, insecure, watermark, onNotice })
      const ending = await endingOf(membership, signal)
      if (ending.type === 'finished') return log?.info({ bus }, ending.reason)
      log?.warn({ bus }, ending.error.message)
      seat.part()
    }
  } finally {
    await link.close()
    await holdings.dispose()
  }
}

/** The next membership; null where the run is over or the worker is asked to leave. */
async function seatUnlessLeft(link: Link, signal: AbortSignal | undefined): Promise<Seat | null> {
  if (signal?.aborted) return null
  let onAbort = () => {}
  const left = new Promise<null>((resolve) => {
    onAbort = () => resolve(null)
    signal?.addEventListener('abort', onAbort)
  })
  try {
    return await Promise.race([link.seat(), left])
  } finally {
    signal?.removeEventListener('abort', onAbort)
  }
}

/** Waits for the end of a membership, and asks for it once the signal comes. */
async function endingOf(membership: Membership, signal: AbortSignal | undefined): Promise<Ending> {
  let patience: NodeJS.Timeout | undefined
  const leave = () => {
    membership.leave('the worker was asked to stop')
    patience = setTimeout(() => membership.abandon('left without the word of the coordinator'), drainMs)
  }
  if (signal?.aborted) leave()
  else signal?.addEventListener('abort', leave)
  try {
    return await membership.ended
  } finally {
    clearTimeout(patience)
    signal?.removeEventListener('abort', leave)
  }
}
