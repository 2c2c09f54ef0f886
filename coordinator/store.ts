import type { Blobs, Bus } from '../protocol/bus/bus.ts'
import { type Log as BusLog, NatsBus } from '../protocol/bus/nats.ts'
import { LetheError } from '../protocol/errors.ts'
import type { Job } from '../protocol/job.ts'
import type { RunReport } from '../protocol/report.ts'
import { emptyHistory, fold, type History, type Journal } from './journal/journal.ts'
import { LmdbJournal } from './journal/lmdb.ts'
import { NatsJournal, readJournal } from './journal/nats.ts'
import type { Log } from './run/events.ts'
import { differences } from './storage/differences.ts'
import type { RunFolder } from './storage/folder.ts'

export interface RunIdentity {
  jobDigest: string
  parentSha256: string
}

export interface Store {
  journal: Journal
  history: History
  /** The folder held no run before. */
  isNew: boolean
}

/** Opens the journal that is in the folder, or starts one. @throws LetheError RUN_EXISTS where it is another run's. */
export async function openLocalStore(folder: RunFolder, job: Job, identity: RunIdentity, fresh: boolean): Promise<Store> {
  if (fresh && ((await folder.hasJournal()) || (await folder.clusterRun()) !== null)) await folder.clear()
  if ((await folder.clusterRun()) !== null) throw new LetheError('RUN_EXISTS', { message: `${folder.path} holds a run of a cluster` })
  const isNew = !(await folder.hasJournal())
  const journal = new LmdbJournal(folder.journal)
  try {
    const history = journal.read().reduce(fold, emptyHistory())
    const { opened } = history
    if (opened && (opened.jobDigest !== identity.jobDigest || opened.parentSha256 !== identity.parentSha256)) {
      const isSameJob = opened.jobDigest === identity.jobDigest
      const what = isSameJob ? 'a run of this job from another checkpoint' : 'a run of another job'
      const found = isSameJob ? null : await folder.readJob()
      throw new LetheError('RUN_EXISTS', { message: `${folder.path} holds ${what}`, received: found ? differing(found, job) : undefined })
    }
    if (!opened) await begin(folder, job, journal, history, identity)
    return { journal, history, isNew }
  } catch (error) {
    await journal.close()
    if (isNew) await folder.clear()
    throw error
  }
}

const differencesShown = 5

/** Undefined where they differ in no setting, as by a classifier that was trained anew under its old name. */
function differing(there: unknown, now: Job): string | undefined {
  const all = differences(there, now)
  const more = all.length > differencesShown ? `, and ${all.length - differencesShown} more` : ''
  return all.length > 0 ? `${all.slice(0, differencesShown).join('; ')}${more}` : undefined
}

/** @throws LetheError RUN_EXISTS where the folder holds another run than this one of a cluster. */
export async function checkClusterFolder(folder: RunFolder, runId: string, fresh: boolean): Promise<void> {
  const known = await folder.clusterRun()
  if (fresh || known === runId) return
  if (known !== null) throw new LetheError('RUN_EXISTS', { message: `${folder.path} holds another run of a cluster` })
  if (await folder.hasJournal()) throw new LetheError('RUN_EXISTS', { message: `${folder.path} holds a run without a cluster` })
}

export interface ClusterStoreOptions {
  folder: RunFolder
  job: Job
  identity: RunIdentity
  runId: string
  bus: Bus
  epoch: number
  coordinator: string
  fresh: boolean
  /** Aborted where the coordinator ends before the journal is open. */
  signal: AbortSignal
  logger: Log
}

/**
 * Opens the journal of a run on the bus, as the leader of this epoch. Checkpoints that the journal names are of use only where this
 * machine has them: else the run goes on from what workers hold.
 */
export async function openClusterStore(options: ClusterStoreOptions): Promise<Store> {
  const { folder, job, identity, runId, bus, epoch, coordinator, fresh, signal } = options
  const { log, blobs } = await journalOf(bus, runId)
  if (fresh) {
    await log.delete()
    await folder.clear()
  }
  const journal = await NatsJournal.open({ bus, log, blobs, epoch, coordinator, signal, logger: options.logger })
  const history = journal.read().reduce(fold, emptyHistory())
  await folder.writeClusterRun(runId)
  if (!history.opened) await begin(folder, job, journal, history, identity)
  const { checkpoint } = history
  const isHere = checkpoint && (await folder.readState(checkpoint.version, checkpoint.stateSha256).catch(() => null)) !== null
  if (!isHere) history.checkpoint = null
  return { journal, history, isNew: false }
}

async function begin(folder: RunFolder, job: Job, journal: Journal, history: History, identity: RunIdentity): Promise<void> {
  await folder.writeJob(job)
  const event = { type: 'opened', ...identity } as const
  await journal.append(event)
  fold(history, event)
}

/** What the last leader of a finished run reported. @throws LetheError INTERNAL where the journal does not hold it. */
export async function finishedReport(bus: Bus, runId: string): Promise<RunReport> {
  const { log, blobs } = await journalOf(bus, runId)
  const { finished } = (await readJournal(log, blobs)).reduce(fold, emptyHistory())
  if (!finished) throw new LetheError('INTERNAL', { message: 'the run is said to be finished, but its journal holds no report' })
  return finished.report
}

async function journalOf(bus: Bus, runId: string): Promise<{ log: BusLog; blobs: Blobs }> {
  if (!(bus instanceof NatsBus)) throw new LetheError('INTERNAL', { message: 'only NATS keeps journals' })
  return { log: await bus.log(runId), blobs: await bus.blobs(`lethe-${runId}`) }
}
