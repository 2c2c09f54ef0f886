import type { Job } from '../../protocol/job.ts'
import { roundsOf, totalRounds } from '../../protocol/rounds.ts'
import type { History } from '../journal/journal.ts'

/** Versions of the parameters that a job measures, ascending. */
export function stopsOf(job: Job): number[] {
  switch (job.kind) {
    case 'evaluate':
      return [0]
    case 'train':
      return [totalRounds(roundsOf(job))]
    case 'unlearn':
      return [0, totalRounds(roundsOf(job))]
    case 'attack':
      return [...new Set([...job.attack.measureAt, job.training.steps])].sort((a, b) => a - b)
  }
}

/** The stop whose results make all that follows needless; null where there is none. A function of the journal: the same after any restart. */
export function endOf(_job: Job, _history: History): number | null {
  return null
}
