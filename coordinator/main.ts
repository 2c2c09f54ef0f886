import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import { Admission } from '../protocol/admission.ts'
import { type Bus, busPayloadBytes } from '../protocol/bus/bus.ts'
import { openBus } from '../protocol/bus/open.ts'
import { digestOf, listingDigest, sha256 } from '../protocol/digest.ts'
import { LetheError } from '../protocol/errors.ts'
import { encodeMessage } from '../protocol/frame.ts'
import type { Job } from '../protocol/job.ts'
import { methodOf } from '../protocol/methods/index.ts'
import type { RunReport } from '../protocol/report.ts'
import { chooseReducer } from '../protocol/scaling.ts'
import { assertSecure, assertSecureListener, type TlsFiles } from '../protocol/tls.ts'
import { Broker } from './broker/broker.ts'
import { Leader } from './leader.ts'
import { advertisedUrl } from './net/advertise.ts'
import { listen } from './net/server.ts'
import { restoreReport } from './report/restore.ts'
import { type CoordinatorEvent, type Log, silentLog } from './run/events.ts'
import { RunFolder } from './storage/folder.ts'
import { lock } from './storage/lock.ts'
import { readRunFiles } from './storage/parent.ts'
import { checkClusterFolder, openLocalStore } from './store.ts'

export type { CoordinatorEvent } from './run/events.ts'

export type ReducerChoice = 'auto' | 'central' | 'sharded'

export interface CoordinatorOptions {
  job: Job
  /**
   * The job with its paths as its file has them, by which a run knows its job again: a project may be moved. What the paths lead to is
   * bound by the digests of the checkpoint and of the data. `job` where none is given.
   */
  written?: Job
  /** The run folder. An unfinished run of the same job there is resumed, a finished one gives its result at once. */
  out: string
  /** A NATS server; the coordinator serves its own bus where none is given. */
  bus?: { url: string; cluster: string; credentials?: string }
  /** Of the sockets that workers dial: everything where there is no NATS, tensors where there is. */
  host?: string
  /** 0 takes a free one. */
  port?: number
  /** ws(s)://host:port under which workers reach those sockets, where it is not the address that is listened on. */
  advertise?: string
  tls?: TlsFiles
  insecure?: boolean
  /** Join token that all workers share; a random one where none is given and `issuer` is not either. */
  token?: string
  /** Public key whose join tokens count. */
  issuer?: string
  /** Replaces whatever run is in the folder, or on the bus. */
  fresh?: boolean
  /** Workers to wait for before the first step; from then on they may come and go. */
  expectedWorkers?: number
  /** `auto` sums in the coordinator up to about 100 million parameters. */
  reducer?: ReducerChoice
  /** Every so many steps all gradients are computed twice, by different workers, and compared. */
  auditEvery?: number
  onEvent?(event: CoordinatorEvent): void
  log?: Log
}

export interface Coordinator {
  /** Where workers find the bus. */
  bus: string
  /** Null where only issued tokens count. */
  token: string | null
  /** Rejects with a LetheError. */
  result: Promise<RunReport>
  /** Leaves a run that can be resumed; `result` rejects with INTERRUPTED. */
  stop(reason: string): Promise<void>
}

type Undo = (() => unknown)[]

async function undo(steps: Undo): Promise<void> {
  for (const step of steps.splice(0).reverse()) await step()
}

/** The bus that one coordinator serves has no other users. */
const ownCluster = 'default'

/**
 * Runs one job with whatever workers join. On NATS several coordinators may be started for one job: one leads, the others stand by.
 * @throws LetheError CHECKPOINT_MISSING, EXTRACTOR_MISSING, RUN_EXISTS, RUN_LOCKED, CONNECTION_PORT, CONNECTION_INSECURE, BUS_UNAVAILABLE, STORAGE_FULL or
 * STORAGE_WRITE before anything is computed.
 */
export async function startCoordinator(options: CoordinatorOptions): Promise<Coordinator> {
  const { job, written = job, fresh = false, onEvent = () => {}, log = silentLog, host = '127.0.0.1', tls } = options
  const token = options.token ?? (options.issuer ? null : randomBytes(24).toString('base64url'))
  checkOptions(options, host)
  const { parent, instruments } = await readRunFiles(job)
  // Another classifier or extractor measures otherwise: it is another job.
  const jobDigest = digestOf(instruments.length === 0 ? written : [written, listingDigest(instruments)])
  const identity = { jobDigest, parentSha256: listingDigest(parent) }
  const runId = sha256(Buffer.from(`${identity.jobDigest} ${identity.parentSha256}`))
  const folder = new RunFolder(options.out)
  await folder.check()
  /** What holds the folder, and what holds sockets; the folder is free once the result is out. */
  const holds: Undo = [() => folder.removeIfEmpty(), await lock(folder.lock)]
  const opens: Undo = []
  try {
    if (options.bus) await checkClusterFolder(folder, runId, fresh)
    const store = options.bus ? null : await openLocalStore(folder, job, identity, fresh)
    if (store) {
      holds.push(async () => {
        await store.journal.close()
        if (store.isNew && store.history.commits.length === 0 && store.history.evaluated.size === 0) await folder.clear()
      })
      if (store.history.finished) {
        const { report } = store.history.finished
        await restoreReport(folder.path, report)
        await undo(holds)
        return { bus: '', token, result: Promise.resolve(report), stop: async () => {} }
      }
    }
    const broker = options.bus ? null : new Broker({ folder: null })
    if (broker) opens.push(() => broker.close())
    const bus: Bus = broker
      ? broker.local()
      : await openBus(options.bus?.url ?? '', { tls, credentials: options.bus?.credentials, name: 'lethe coordinator' })
    opens.push(() => bus.close())
    const admission = new Admission({ issuer: options.issuer ?? null, secret: token, admitted: store?.history.admitted ?? [] })
    let leader: Leader | null = null
    const server = await listen({
      host,
      port: options.port ?? 0,
      tls,
      refusal: (text) => admission.refusal(text, Date.now()),
      onBus: broker && ((socket) => broker.attach(socket, { role: 'worker' })),
      busUrl: options.bus?.url,
      isExpected: (memberKey) => leader?.run?.isExpected(memberKey) ?? false,
      onBulk: (socket, memberKey, holdsSession) => {
        if (!leader?.run?.joinBulk(socket, memberKey, holdsSession)) socket.close(1008, 'no such worker')
      },
    })
    opens.push(() => server.close())
    const own = options.advertise ?? advertisedUrl(server.url, hostname())
    onEvent({ type: 'listening', url: own })
    leader = new Leader({
      job,
      written,
      identity,
      runId,
      files: [...parent, ...instruments],
      folder,
      fresh,
      store,
      bus,
      cluster: options.bus?.cluster ?? ownCluster,
      url: broker ? '' : own,
      admission,
      expectedWorkers: options.expectedWorkers ?? 1,
      reducer: reducerOf(options, parent),
      auditEvery: options.auditEvery ?? 0,
      log,
      onEvent,
    })
    const result = leader.result.finally(() => undo(holds))
    const ending = leader
    // After whoever waits for the result has heard of it: workers that end now are not workers that died.
    const parted = result
      .catch(() => {})
      .then(() => new Promise(setImmediate))
      .then(() => ending.part())
      .finally(() => undo(opens))
    const stop = async (reason: string) => {
      ending.fail(new LetheError('INTERRUPTED', { message: reason }))
      await parted
    }
    ending.start()
    return { bus: options.bus?.url ?? own, token, result, stop }
  } catch (error) {
    await undo(opens)
    await undo(holds)
    throw error
  }
}

function checkOptions({ job, bus, auditEvery = 0, tls, insecure = false }: CoordinatorOptions, host: string): void {
  assertSecureListener(host, { tls, insecure })
  checkWelcome(job)
  if (bus) assertSecure(bus.url, { insecure })
  if (auditEvery > 0 && job.kind !== 'evaluate' && job.training.wire === 'bf16')
    throw new LetheError('USAGE', {
      message: 'sums that travel as bf16 cannot be compared bit by bit',
      expected: 'training.wire: f32, or no --audit-every',
      hint: 'Rounding keeps an error at each worker, so two of them send different bits.',
    })
}

/** What a welcome holds beside the job. */
const welcomeBytes = 16 * 1024

/** Every worker gets the whole job in one message. */
function checkWelcome(job: Job): void {
  const limit = busPayloadBytes - welcomeBytes
  let received: string
  try {
    const { byteLength } = encodeMessage(job)
    if (byteLength <= limit) return
    received = `${byteLength} bytes`
  } catch (error) {
    received = LetheError.from(error).message
  }
  const message = 'the job is too large to be sent to workers'
  throw new LetheError('JOB_INVALID', { message, expected: `at most ${limit} bytes and 65535 values`, received })
}

const bytesPerParameter = 4

/** Where the parent is a configuration alone, its network is taken to be small. */
function reducerOf(options: CoordinatorOptions, parent: readonly { bytes: Uint8Array }[]): 'central' | 'sharded' {
  const { job, reducer = 'auto', expectedWorkers = 1 } = options
  if (reducer !== 'auto' || job.kind === 'evaluate') return reducer === 'auto' ? 'central' : reducer
  const parameterCount = parent.reduce((sum, file) => sum + file.bytes.byteLength, 0) / bytesPerParameter
  return chooseReducer({ parameterCount, channels: methodOf(job.method.name).channels.length, workers: expectedWorkers }).reducer
}
