import { clippedCoefficients, combine, scalarsOf } from '../../coordinator/reduce/direction.ts'
import type { StepJob } from '../../protocol/job.ts'
import { methodOf } from '../../protocol/methods/index.ts'
import { roundAt, roundsOf } from '../../protocol/rounds.ts'
import { addInPlace, TreeSum } from '../../protocol/tree.ts'
import type { JobSession } from '../../worker/session.ts'

/** One round of a job by several sessions, each with its share of the micro-batches. Returns the digest that all of them have after it. */
export async function reduceRound(job: StepJob, sessions: readonly JobSession[]): Promise<string> {
  const { step, summary } = sessions[0]
  const { channels, microBatches } = summary
  const gradients = new Map(channels.map((channel) => [channel, new TreeSum<Float32Array>(microBatches, addInPlace)]))
  for (const [k, session] of sessions.entries()) {
    const [start, end] = [k, k + 1].map((one) => Math.floor((one * microBatches) / sessions.length))
    const partials = await session.partials(step, start, end, { signal: new AbortController().signal, onMicroBatch: () => {} })
    for (const { channel, node, gradient } of partials) gradients.get(channel)?.put(node, gradient.slice())
  }
  const sums = new Map([...gradients].map(([channel, sum]) => [channel, sum.root() as Float32Array]))
  const { phase } = roundAt(roundsOf(job), step)
  const { coefficients } = clippedCoefficients(methodOf(job.method.name), job.method, await scalarsOf(sums), job.training.clipNorm, {
    phase,
  })
  const direction = await combine(sums, coefficients)
  const digests = new Set(sessions.map((session) => session.apply(step, direction.slice())))
  if (digests.size !== 1) throw new Error(`sessions have different parameters after round ${step}`)
  return [...digests][0]
}
