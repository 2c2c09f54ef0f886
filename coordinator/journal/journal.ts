import { z } from 'zod'
import { sessionSummarySchema, widthsSchema } from '../../protocol/messages.ts'
import { runReport, type WorkerFault, workerFault } from '../../protocol/report.ts'
import { dataDigest, type Resumed } from '../run/state.ts'

/*
 * The journal is the truth of a run: an append-only list of events. What a coordinator knows when it starts is a fold over it.
 */

const count = z.int().min(0)
const digest = z.string().regex(/^[0-9a-f]{64}$/)
const figures = z.record(z.string(), z.number())

const event = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('opened'), jobDigest: digest, parentSha256: digest }),
  /** A coordinator leads from here on; what an earlier one still appends is refused. */
  z.strictObject({ type: z.literal('led'), epoch: count, coordinator: z.string() }),
  /** A worker joined for the first time: it may come back when its token has expired. */
  z.strictObject({ type: z.literal('admitted'), fingerprint: digest, host: z.string() }),
  z.strictObject({ type: z.literal('session'), summary: sessionSummarySchema }),
  z.strictObject({
    type: z.literal('committed'),
    version: count,
    digest,
    workers: count,
    losses: figures,
    norms: figures,
    updateNorm: z.number(),
    /** Since the commit before, or the start of training. */
    stepMs: z.number().min(0),
    /** Of the worker process that has needed most so far. */
    peakMemoryBytes: count.optional(),
  }),
  /** Commits after this version are repeated, and may differ: rounding on the wire keeps errors that die with their process. */
  z.strictObject({ type: z.literal('rewound'), version: count }),
  /** A worker that computed something else than the others. */
  z.strictObject({ type: z.literal('excluded'), ...workerFault.shape }),
  z.strictObject({ type: z.literal('checkpoint'), version: count, digest, sha256: digest, stateSha256: digest }),
  z.strictObject({
    type: z.literal('evaluated'),
    /** Of the parameters that were measured. */
    version: count,
    unit: count,
    /** May be infinite or NaN: zod's own number is neither. */
    values: z.array(z.custom<number>((value) => typeof value === 'number')),
    widths: widthsSchema,
    payload: z.instanceof(Uint8Array),
  }),
  /** Wall time that one coordinator spent in a phase. */
  z.strictObject({ type: z.literal('spent'), phase: z.string(), ms: z.number().min(0) }),
  z.strictObject({ type: z.literal('finished'), report: runReport }),
])

/** Journals from before there were extractors say `judged` where there are widths now: of a classifier's classes and features, or null. */
const judgedBefore = z.looseObject({
  type: z.literal('evaluated'),
  judged: z.strictObject({ classes: count, features: count }).nullable(),
})

function renewed(value: unknown): unknown {
  const old = judgedBefore.safeParse(value)
  if (!old.success || 'widths' in old.data) return value
  const { judged, ...rest } = old.data
  return { ...rest, widths: judged ? [judged.classes, judged.features] : [] }
}

export const journalEvent = z.preprocess(renewed, event)
export type JournalEvent = z.output<typeof event>

export interface Journal {
  /** Resolves when the event would survive a power cut. Events become durable in the order of the calls. */
  append(event: JournalEvent): Promise<void>
  /** All events in order. Throws STORAGE_WRITE where the store is damaged. */
  read(): JournalEvent[]
  close(): Promise<void>
}

type EventOf<Type extends JournalEvent['type']> = Extract<JournalEvent, { type: Type }>

/** What the events add up to. */
export interface History {
  opened: EventOf<'opened'> | null
  summary: EventOf<'session'>['summary'] | null
  /** By version, from 1 on without a hole. */
  commits: EventOf<'committed'>[]
  checkpoint: EventOf<'checkpoint'> | null
  /** By version, then by unit. */
  evaluated: Map<number, Map<number, EventOf<'evaluated'>>>
  /** Fingerprints. */
  admitted: Set<string>
  faults: WorkerFault[]
  spentMs: Record<string, number>
  finished: EventOf<'finished'> | null
}

export const emptyHistory = (): History => ({
  opened: null,
  summary: null,
  commits: [],
  checkpoint: null,
  evaluated: new Map(),
  admitted: new Set(),
  faults: [],
  spentMs: {},
  finished: null,
})

/** Adds one event, in place. An event that is already there changes nothing. */
export function fold(history: History, event: JournalEvent): History {
  switch (event.type) {
    case 'opened':
      history.opened = event
      break
    case 'led':
      break
    case 'admitted':
      history.admitted.add(event.fingerprint)
      break
    case 'rewound':
      history.commits.length = Math.min(history.commits.length, event.version)
      // They are of parameters that nobody will have again.
      for (const version of [...history.evaluated.keys()]) if (version > event.version) history.evaluated.delete(version)
      if (history.checkpoint && history.checkpoint.version > event.version) history.checkpoint = null
      break
    case 'excluded': {
      const { type: _, ...fault } = event
      history.faults.push(fault)
      break
    }
    case 'session':
      history.summary = event.summary
      break
    case 'committed':
      if (event.version === history.commits.length + 1) history.commits.push(event)
      break
    case 'checkpoint':
      if (history.checkpoint === null || event.version > history.checkpoint.version) history.checkpoint = event
      break
    case 'evaluated':
      {
        const units = history.evaluated.get(event.version) ?? new Map()
        history.evaluated.set(event.version, units)
        if (!units.has(event.unit)) units.set(event.unit, event)
      }
      break
    case 'spent':
      history.spentMs[event.phase] = (history.spentMs[event.phase] ?? 0) + event.ms
      break
    case 'finished':
      history.finished = event
      break
  }
  return history
}

/** Where a run goes on: from its last checkpoint, with the digests that the replayed steps must give. */
export function resumed({ summary, commits, checkpoint, evaluated }: History, end: number | null): Resumed {
  const durable = checkpoint?.version ?? 0
  const digests = Object.fromEntries(commits.slice(Math.max(0, durable - 1)).map(({ version, digest }) => [version, digest]))
  if (checkpoint) digests[durable] = checkpoint.digest
  return {
    dataDigest: summary ? dataDigest(summary) : null,
    durable,
    journaled: commits.length,
    digests,
    evaluated: new Map([...evaluated].map(([version, units]) => [version, new Set(units.keys())])),
    end,
  }
}
