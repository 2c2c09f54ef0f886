import { evaluationUnits } from '../../protocol/evaluation.ts'
import type { Job } from '../../protocol/job.ts'
import { roundsOf, totalRounds } from '../../protocol/rounds.ts'
import type { History } from '../journal/journal.ts'
import { sharesOf } from '../report/shares.ts'

/** Versions of the parameters that a job measures, ascending. */
export function stopsOf(job: Job): number[] {
  switch (job.kind) {
    case 'evaluate':
      return [0]
    case 'train':
      return [totalRounds(roundsOf(job))]
    case 'unlearn':
      return [...(job.evaluate.before ? [0] : []), totalRounds(roundsOf(job))]
    case 'attack':
      return [...new Set([...job.attack.measureAt, job.training.steps])].sort((a, b) => a - b)
  }
}

/**
 * The stop whose results make all that follows needless; null where there is none: the first one, all of whose units are in the journal,
 * at which an attack has succeeded as `attack.stopAt` says it. A function of the journal: the same after any restart.
 */
export function endOf(job: Job, history: History): number | null {
  if (job.kind !== 'attack' || job.attack.stopAt === undefined) return null
  const { stopAt } = job.attack
  const units = evaluationUnits(job)
  for (const stop of stopsOf(job)) {
    const answers = history.evaluated.get(stop)
    // Stops are measured one after the other.
    if (answers === undefined || answers.size < units.length) return null
    const seen = units.flatMap(({ metric }, unit) => (metric === 'samples' ? (answers.get(unit)?.values ?? []) : []))
    const { forgotten } = sharesOf(job, seen)
    if (forgotten?.recognised != null && forgotten.recognised / forgotten.samples >= stopAt) return stop
  }
  return null
}
