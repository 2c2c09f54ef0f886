import { randomBytes } from 'node:crypto'
import { digestOf, filesDigest } from '../protocol/digest.ts'
import { LetheError } from '../protocol/errors.ts'
import type { Job } from '../protocol/job.ts'
import type { RunReport } from '../protocol/report.ts'
import { emptyHistory, fold, type History, type Journal } from './journal/journal.ts'
import { LmdbJournal } from './journal/lmdb.ts'
import { listen } from './net/server.ts'
import { type CoordinatorEvent, type Log, silentLog } from './run/events.ts'
import { Run } from './run/run.ts'
import { RunFolder } from './storage/folder.ts'
import { lock } from './storage/lock.ts'
import { readParent } from './storage/parent.ts'

export type { CoordinatorEvent } from './run/events.ts'

export interface CoordinatorOptions {
  job: Job
  /**
   * The job with its paths as its file has them, by which a run knows its job again: a project may be moved. What the paths lead to is
   * bound by the digests of the checkpoint and of the data. `job` where none is given.
   */
  written?: Job
  /** The run folder. An unfinished run of the same job there is resumed, a finished one gives its result at once. */
  out: string
  host?: string
  /** 0 takes a free one. */
  port?: number
  /** Random where none is given. */
  token?: string
  /** Replaces whatever run is in the folder. */
  fresh?: boolean
  /** Workers to wait for before the first step; from then on they may come and go. */
  expectedWorkers?: number
  onEvent?(event: CoordinatorEvent): void
  log?: Log
}

export interface Coordinator {
  /** ws://host:port */
  url: string
  token: string
  /** Rejects with a LetheError. */
  result: Promise<RunReport>
  /** Leaves a run that can be resumed; `result` rejects with INTERRUPTED. */
  stop(reason: string): Promise<void>
}

/**
 * Runs one job with whatever workers join.
 * @throws LetheError CHECKPOINT_MISSING, RUN_EXISTS, RUN_LOCKED, CONNECTION_PORT, STORAGE_FULL or STORAGE_WRITE before anything is computed.
 */
export async function startCoordinator(options: CoordinatorOptions): Promise<Coordinator> {
  const { job, written = job, fresh = false, expectedWorkers = 1, onEvent = () => {}, log = silentLog } = options
  const token = options.token ?? randomBytes(24).toString('base64url')
  const parent = await readParent(job)
  const identity = { jobDigest: digestOf(written), parentSha256: filesDigest(parent) }
  const folder = new RunFolder(options.out)
  await folder.check()
  const unlock = await lock(folder.lock)
  const store = await openStore(folder, job, identity, fresh).catch(async (error) => {
    await unlock()
    await folder.removeIfEmpty()
    throw error
  })
  const { journal, history, isNew } = store
  const close = async () => {
    await journal.close()
    if (isNew && isUntouched(history)) await folder.clear()
    await unlock()
    await folder.removeIfEmpty()
  }
  if (history.finished) {
    await close()
    return { url: '', token, result: Promise.resolve(history.finished.report), stop: async () => {} }
  }

  const run = new Run({ job, written, ...identity, parent, folder, journal, history, expectedWorkers, log, onEvent })
  const server = await listen({
    host: options.host ?? '127.0.0.1',
    port: options.port ?? 0,
    token,
    onControl: (socket) => run.roster.join(socket),
    onBulk: (socket, memberKey) => run.roster.joinBulk(socket, memberKey),
  }).catch(async (error) => {
    run.result.catch(() => {})
    run.fail(error)
    await run.result.catch(() => {})
    run.part()
    await close()
    throw error
  })
  onEvent({ type: 'listening', url: server.url })

  const result = run.result.finally(close)
  // After whoever waits for the result has heard of it: workers that end now are not workers that died.
  const parted = result
    .catch(() => {})
    .then(() => new Promise(setImmediate))
    .then(() => {
      run.part()
      return server.close()
    })
  const stop = async (reason: string) => {
    run.fail(new LetheError('INTERRUPTED', { message: reason }))
    await parted
  }
  return { url: server.url, token, result, stop }
}

const isUntouched = ({ commits, evaluated }: History) => commits.length === 0 && evaluated.before.size === 0 && evaluated.after.size === 0

/** Opens the journal that is in the folder, or starts one. */
async function openStore(
  folder: RunFolder,
  job: Job,
  identity: { jobDigest: string; parentSha256: string },
  fresh: boolean,
): Promise<{ journal: Journal; history: History; isNew: boolean }> {
  if (fresh && (await folder.hasJournal())) await folder.clear()
  const isNew = !(await folder.hasJournal())
  const journal = new LmdbJournal(folder.journal)
  try {
    const history = journal.read().reduce(fold, emptyHistory())
    const { opened } = history
    if (opened && (opened.jobDigest !== identity.jobDigest || opened.parentSha256 !== identity.parentSha256)) {
      const what = opened.jobDigest === identity.jobDigest ? 'a run of this job from another checkpoint' : 'a run of another job'
      throw new LetheError('RUN_EXISTS', { message: `${folder.path} holds ${what}` })
    }
    if (!opened) {
      await folder.writeJob(job)
      const event = { type: 'opened', ...identity } as const
      await journal.append(event)
      fold(history, event)
    }
    return { journal, history, isNew }
  } catch (error) {
    await journal.close()
    if (isNew) await folder.clear()
    throw error
  }
}
