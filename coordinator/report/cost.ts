import { median } from '../../protocol/median.ts'
import type { CostMeasure } from '../../protocol/report.ts'
import type { ReportInput } from './input.ts'

/** Wall time of an update with the inner steps that belong to it; the 90th percentile is by nearest rank. */
export function costOf({ history, stepMs, peakMemoryBytes }: Pick<ReportInput, 'history' | 'stepMs' | 'peakMemoryBytes'>): CostMeasure {
  let preparationMilliseconds = 0
  const updates = new Map<number, number>()
  history.forEach(({ phase, step }, round) => {
    if (phase === 'prepare') preparationMilliseconds += stepMs[round]
    else updates.set(step, (updates.get(step) ?? 0) + stepMs[round])
  })
  const times = [...updates.values()].sort((a, b) => a - b)
  const steps = times.length
  return {
    millisecondsPerStep: steps > 0 ? { median: median(times), percentile90: times[Math.ceil(0.9 * steps) - 1], steps } : null,
    preparationMilliseconds,
    peakMemoryBytes,
  }
}
