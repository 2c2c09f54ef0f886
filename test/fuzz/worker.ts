import { setTimeout as sleep } from 'node:timers/promises'
import { LetheError } from '../../protocol/errors.ts'
import { createIdentity } from '../../protocol/identity.ts'
import { runWorker, type WorkerOptions } from '../../worker/main.ts'
import { toyOpener } from '../support/toy-session.ts'
import { reportVitals } from './vitals.ts'

// A worker under attack: options in its only argument. Its steps take their time until the parent says `finish`, the last one waits for it.
export interface Pace {
  steps: number
  stepMs: number
}

let isHurried = false
reportVitals(() => {
  isHurried = true
})

const { pace, ...options }: Omit<WorkerOptions, 'identity'> & { pace: Pace } = JSON.parse(process.argv[2])
const open = toyOpener()

async function dawdle(step: number, signal: AbortSignal): Promise<void> {
  const until = performance.now() + pace.stepMs
  while (!isHurried && !signal.aborted && (step === pace.steps - 1 || performance.now() < until)) await sleep(20)
}

try {
  await runWorker({
    ...options,
    identity: createIdentity(),
    openSession: async (job, files) => {
      const session = await open(job, files)
      const partials = session.partials.bind(session)
      return Object.assign(session, {
        partials: async (...[step, start, end, work]: Parameters<typeof partials>) => {
          await dawdle(step, work.signal)
          return partials(step, start, end, work)
        },
      })
    },
  })
} catch (error) {
  process.send?.({ type: 'failed', reason: LetheError.from(error).format() })
  process.exitCode = 1
}
process.disconnect?.()
