import { digestOf, type FileBytes, sha256 } from '../../protocol/digest.ts'
import { LetheError } from '../../protocol/errors.ts'
import type { Job } from '../../protocol/job.ts'
import type { Held, StepFigures, Welcome } from '../../protocol/messages.ts'
import type { JobSession } from '../session.ts'

export type OpenSession = (job: Job, files: FileBytes[]) => Promise<JobSession>

/** What a worker has of a run. It outlives memberships: a new leader finds it as the last one left it. */
export interface Holding {
  readonly session: JobSession
  /** Of the parameters that the parent's files held. */
  readonly parentDigest: string
  /** Those of the last step applied, where they are known. */
  figures: StepFigures | null
}

/** The one session of this process. */
export class Holdings {
  readonly #openSession: OpenSession
  #key: string | null = null
  #holding: Promise<Holding> | null = null

  constructor(openSession: OpenSession) {
    this.#openSession = openSession
  }

  /** What there is of this run; null where it must be opened. */
  get(welcome: Welcome): Promise<Holding> | null {
    return this.#key === keyOf(welcome) ? this.#holding : null
  }

  /** In the place of what was there. A session that does not open leaves nothing behind. */
  async open(welcome: Welcome, files: FileBytes[]): Promise<Holding> {
    await this.dispose()
    this.#key = keyOf(welcome)
    const opening = this.#openSession(welcome.job, files).then((session) => ({ session, parentDigest: session.digest(), figures: null }))
    this.#holding = opening
    opening.catch(() => {
      if (this.#holding === opening) this.#forget()
    })
    return opening
  }

  async dispose(): Promise<void> {
    const held = this.#holding
    this.#forget()
    const holding = await held?.catch(() => null)
    holding?.session.dispose()
  }

  #forget(): void {
    this.#key = null
    this.#holding = null
  }
}

/** What to tell a new leader. Null where the session is as the parent's files made it. */
export function heldOf({ session, figures }: Holding): Held | null {
  return session.step === 0 ? null : { version: session.step, digest: session.digest(), figures }
}

const keyOf = ({ runId, job }: Welcome) => `${runId} ${digestOf(job)}`

/** The files of the parent, once all of them are there and are the announced ones. */
export function parentComplete(
  announced: readonly { path: string; sha256: string }[],
  received: ReadonlyMap<string, Uint8Array>,
): FileBytes[] | null {
  if (!announced.every(({ path }) => received.has(path))) return null
  return announced.map(({ path, sha256: expected }) => {
    const bytes = received.get(path) as Uint8Array
    if (sha256(bytes) !== expected) throw new LetheError('CONNECTION_FRAME', { message: `${path} arrived damaged` })
    return { path, bytes }
  })
}
