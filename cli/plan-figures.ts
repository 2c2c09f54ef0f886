import { plan } from '../coordinator/planner.ts'
import type { StepJob } from '../protocol/job.ts'
import { chooseReducer, type Link, lineShare, type Scaling, type Split, scalingOf } from '../protocol/scaling.ts'
import { subtrees } from '../protocol/tree.ts'
import { bytesPerElement } from '../protocol/wire.ts'
import type { LinkRate } from './link-rate.ts'
import type { StepTime } from './step-time.ts'

export interface PlanRequest {
  /** The most workers to look at. */
  workers: number
  /** Bytes per second of the line; null for what is measured here. */
  link: number | null
  /** Milliseconds, one way; null for what is measured here. */
  latency: number | null
}

export interface Plan {
  job: string
  method: string
  parameterCount: number
  channels: number
  microBatches: number
  wire: keyof typeof bytesPerElement
  engine: string
  measured: { microBatchMs: number; timed: number; stepMs: number; socketBytesPerSecond: number; socketLatencyMs: number }
  /** What the rows were worked out with. A line faster than a socket here does not help. */
  link: Link & { lineBytesPerSecond: number | null }
  rows: Scaling[]
  /** What `reducer: auto` takes with the most workers. */
  auto: ReturnType<typeof chooseReducer>
  /** The fastest row with more than one worker that is worth it; null where whole jobs side by side are better. */
  best: Scaling | null
}

/** The arithmetic on what was measured. */
export function planOf(
  job: StepJob,
  { summary, microBatchMs, timed }: StepTime,
  socket: LinkRate,
  { workers, link: lineBytesPerSecond, latency }: PlanRequest,
): Plan {
  const { parameterCount, microBatches, engine } = summary
  const channels = summary.channels.length
  const { wire } = job.training
  const stepMs = microBatchMs * microBatches
  const link = {
    bytesPerSecond: Math.min(
      socket.bytesPerSecond,
      lineBytesPerSecond === null ? Number.POSITIVE_INFINITY : lineShare * lineBytesPerSecond,
    ),
    latencyMs: latency ?? socket.latencyMs,
    lineBytesPerSecond,
  }
  const traffic = { parameterCount, channels, gradientBytes: bytesPerElement[wire], directionBytes: bytesPerElement[wire] }
  const rows = Array.from({ length: workers }, (_, i) => splitOf(i + 1, microBatches)).flatMap((split) =>
    (['central', 'sharded'] as const).map((reducer) => scalingOf(reducer, traffic, split, link, stepMs)),
  )
  const best =
    rows.filter((row) => row.workers > 1 && row.isWorthwhile).sort((a, b) => a.stepMs - b.stepMs || a.workers - b.workers)[0] ?? null
  return {
    job: job.name,
    method: job.method.name,
    parameterCount,
    channels,
    microBatches,
    wire,
    engine,
    measured: { microBatchMs, timed, stepMs, socketBytesPerSecond: socket.bytesPerSecond, socketLatencyMs: socket.latencyMs },
    link,
    rows,
    auto: chooseReducer({ parameterCount, channels, workers }),
    best,
  }
}

/** As the coordinator cuts a step for equally fast workers. */
function splitOf(workers: number, microBatches: number): Split {
  const members = Array.from({ length: workers }, (_, i) => ({ worker: String(i), speed: null }))
  const ranges = plan(members, microBatches)
  return {
    partials: ranges.map(({ start, end }) => subtrees(start, end, microBatches).length),
    largestShare: Math.max(...ranges.map(({ start, end }) => end - start)) / microBatches,
  }
}
