import { readRunFiles } from '../coordinator/storage/parent.ts'
import type { StepJob } from '../protocol/job.ts'
import { median } from '../protocol/median.ts'
import type { SessionSummary } from '../protocol/messages.ts'
import { openSession } from '../worker/session.ts'

export interface StepTime {
  summary: SessionSummary
  /** Median over the timed micro-batches. */
  microBatchMs: number
  timed: number
}

const maxTimed = 7
const minTimed = 3
/** Beyond the least number, no more micro-batches than fit into this. */
const budgetMs = 5000

/** Opens the job as a worker does, and times its micro-batches on this machine: the first one warms up. Throws what the session throws. */
export async function measureStepTime(job: StepJob): Promise<StepTime> {
  const session = await openSession(job, (await readRunFiles(job)).parent)
  try {
    const { microBatches } = session.summary
    const options = { signal: new AbortController().signal, onMicroBatch() {} }
    const times: number[] = []
    let spentMs = 0
    for (let run = 0; run <= maxTimed && (run <= minTimed || spentMs < budgetMs); run++) {
      const index = run % microBatches
      const startedAt = performance.now()
      await session.partials(0, index, index + 1, options)
      const ms = performance.now() - startedAt
      if (run === 0) continue
      times.push(ms)
      spentMs += ms
    }
    return { summary: session.summary, microBatchMs: median(times), timed: times.length }
  } finally {
    session.dispose()
  }
}
