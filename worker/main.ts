import { setTimeout as sleep } from 'node:timers/promises'
import { LetheError } from '../protocol/errors.ts'
import { patienceMs } from '../protocol/socket.ts'
import { Membership, type OpenSession } from './runtime/membership.ts'
import { openSession as openJobSession } from './session.ts'

export interface WorkerOptions {
  /** ws://host:port of the coordinator. */
  url: string
  token: string
  openSession?: OpenSession
  log?: { info(fields: object, message: string): void; warn(fields: object, message: string): void }
}

const firstDelayMs = 100
const maxDelayMs = 1000

/**
 * Computes for a coordinator until the run is over. Where the coordinator is away, looks for it for 10 s: it may be starting again.
 * @throws LetheError CONNECTION_TOKEN or CONNECTION_VERSION at once, CONNECTION_REFUSED when patience ends, and whatever fails in the work.
 */
export async function runWorker({ url, token, openSession = openJobSession, log }: WorkerOptions): Promise<void> {
  let seenAt = performance.now()
  let delayMs = firstDelayMs
  for (;;) {
    let isMember = false
    const membership = new Membership({
      url,
      token,
      openSession,
      onWelcome: (worker) => {
        isMember = true
        log?.info({ url }, `joined as ${worker}`)
      },
    })
    const ending = await membership.ended
    if (ending.type === 'finished') return log?.info({ url }, ending.reason)
    const now = performance.now()
    if (isMember) {
      seenAt = now
      delayMs = firstDelayMs
      log?.warn({ url }, ending.error.message)
    }
    if (now - seenAt + delayMs > patienceMs)
      throw new LetheError('CONNECTION_REFUSED', { message: `no coordinator at ${url} for ${patienceMs / 1000} s`, cause: ending.error })
    await sleep(delayMs)
    delayMs = Math.min(maxDelayMs, delayMs * 2)
  }
}
