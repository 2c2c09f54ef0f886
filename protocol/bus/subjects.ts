import { z } from 'zod'

/*
 * Names on the bus. `cluster` separates users of one NATS server; a run is named by its id.
 *
 *   bucket  lethe-<cluster>, key leader.<runId>     who coordinates the run now
 *   lethe.<cluster>.<runId>.join                    request: a worker wants to join; answered by the leader
 *   lethe.<cluster>.<runId>.up                      packets of workers to the leader
 *   lethe.<cluster>.<runId>.down.<address>          packets of the leader to one worker
 */

export const clusterPattern = /^[a-z0-9][a-z0-9-]{0,31}$/

export const leaderBucket = (cluster: string) => `lethe-${cluster}`
export const leaderKey = (runId: string) => `leader.${runId}`
export const joinSubject = (cluster: string, runId: string) => `lethe.${cluster}.${runId}.join`
export const upSubject = (cluster: string, runId: string) => `lethe.${cluster}.${runId}.up`
export const downSubject = (cluster: string, runId: string, address: string) => `lethe.${cluster}.${runId}.down.${address}`

/** Stands for `coordinator` in the record after a leader has stopped in good order: the lease is free. */
export const nobody = '0'.repeat(32)

const count = z.int().min(0)

/** The value under `leaderKey`: a lease on the run, renewed by writing it again. */
export const leaderRecord = z.strictObject({
  protocol: count,
  runId: z.string().regex(/^[0-9a-f]{64}$/),
  /** Grows with every change of leader: the fencing token. */
  epoch: count,
  /** Random name of the process that leads. */
  coordinator: z.string().regex(/^[0-9a-f]{32}$/),
  /** ws(s)://host:port of its bulk sockets; empty where they are at the address of the bus. */
  url: z.string().max(500),
  state: z.enum(['running', 'finished']),
  /** Counts renewals, so that each changes the value. */
  renewals: count,
})
export type LeaderRecord = z.output<typeof leaderRecord>
